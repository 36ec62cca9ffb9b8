//! Every format in every language, of a full week, an empty one, and one whose names attack.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use saldo_domain::report::Report;
use saldo_report::{Format, Language, file_name, mail, render};

mod support;

fn text(report: &Report, format: Format, language: Language) -> String {
    String::from_utf8(render(report, format, language).unwrap()).unwrap()
}

fn workbook(report: &Report, language: Language) -> Xlsx<Cursor<Vec<u8>>> {
    let bytes = render(report, Format::Xlsx, language).unwrap();
    calamine::open_workbook_from_rs(Cursor::new(bytes)).unwrap()
}

fn lines(report: &Report, language: Language) -> Vec<csv::StringRecord> {
    let bytes = render(report, Format::Csv, language).unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    reader.records().map(Result::unwrap).collect()
}

#[test]
fn a_page_needs_nothing_else_and_runs_nothing() {
    for report in [support::week_of_a_shop(), support::hostile(), support::empty()] {
        for language in Language::ALL {
            let page = text(&report, Format::Html, language);
            for reach in [
                "http://", "https://", "src=", "<script", "<link", "@import", "url(", "<img",
            ] {
                let found = page.replace("http://www.w3.org/2000/svg", "");
                let found = found.replace("src=x onerror=alert(1)", "");
                assert!(!found.contains(reach), "{reach} in {}", language.as_str());
            }
            assert!(page.contains(&format!("<html lang=\"{}\">", language.as_str())));
        }
    }
}

#[test]
fn every_chart_is_named_and_described_and_has_a_table_beside_it() {
    for language in Language::ALL {
        let page = text(&support::week_of_a_shop(), Format::Html, language);
        let charts: Vec<&str> = page.split("<svg ").skip(1).collect();
        assert_eq!(charts.len(), 10, "five charts, each for two widths");
        let mut ids = std::collections::BTreeSet::new();
        for chart in charts {
            let svg = format!("<svg {}", chart.split_inclusive("</svg>").next().unwrap());
            let document = roxmltree::Document::parse(&svg).unwrap();
            let root = document.root_element();
            assert_eq!(root.attribute("role"), Some("img"));
            for id in root.attribute("aria-labelledby").unwrap().split(' ') {
                assert!(ids.insert(id.to_owned()), "{id} stands twice");
                let mut found = root.children();
                let named = found.find(|child| child.attribute("id") == Some(id)).unwrap();
                assert!(named.text().is_some_and(|text| text.len() > 5), "{id}");
            }
        }
        for section in ["timeline", "hours", "skus", "reviews"] {
            let (_, rest) = page.split_once(&format!("<section id=\"{section}\">")).unwrap();
            let (section, _) = rest.split_once("</section>").unwrap();
            assert!(section.contains("<svg ") && section.contains("<table"));
        }
    }
}

#[test]
fn names_that_attack_stay_text() {
    let report = support::hostile();
    for language in Language::ALL {
        let page = text(&report, Format::Html, language);
        assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"));
        let mail = mail(&report, language).unwrap();
        assert!(!mail.html.contains("<script>"));
        for line in lines(&report, language) {
            for cell in &line {
                assert!(!cell.starts_with(['=', '@', '+', '-']), "{cell:?} would be run");
            }
        }
        let bytes = render(&report, Format::Xlsx, language).unwrap();
        let mut book = workbook(&report, language);
        for name in book.sheet_names() {
            let formulas = book.worksheet_formula(&name).unwrap();
            assert!(
                formulas.cells().all(|(_, _, formula)| formula.is_empty()),
                "{name}"
            );
        }
        assert!(bytes.starts_with(b"PK"));
    }
    let mut book = workbook(&report, Language::English);
    let skus = book.worksheet_range("SKUs").unwrap();
    let first = skus.get_value((1, 0)).unwrap();
    assert_eq!(first, &Data::String(support::HOSTILE[0].to_owned()));
}

#[test]
fn a_workbook_has_real_numbers_times_and_moments() {
    let report = support::week_of_a_shop();
    for language in Language::ALL {
        let mut book = workbook(&report, language);
        let names = book.sheet_names();
        assert_eq!(names.len(), 13);
        let course = book.worksheet_range(&names[2]).unwrap();
        assert_eq!(course.height(), 8, "a heading and seven days");
        let Some(Data::DateTime(first)) = course.get_value((1, 0)) else {
            panic!("{:?}", course.get_value((1, 0)))
        };
        assert_eq!(first.to_ymd_hms_milli(), (2026, 11, 16, 0, 0, 0, 0));
        let Some(Data::Float(deductions)) = course.get_value((1, 1)) else {
            panic!("{:?}", course.get_value((1, 1)))
        };
        assert_eq!(*deductions as u64, report.figures.timeline[0].deductions);
        let summary = book.worksheet_range(&names[1]).unwrap();
        let rate = summary.get_value((4, 1)).unwrap();
        assert_eq!(
            rate,
            &Data::Float(report.figures.totals.attempts.success_rate.unwrap())
        );
    }
}

#[test]
fn a_workbook_has_frozen_headings_filters_and_charts() {
    let bytes = render(&support::week_of_a_shop(), Format::Xlsx, Language::English).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let names: Vec<String> = archive
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    let charts = names.iter().filter(|name| name.starts_with("xl/charts/chart"));
    assert_eq!(charts.count(), 5);
    for number in 2..=13 {
        let mut sheet = archive
            .by_name(&format!("xl/worksheets/sheet{number}.xml"))
            .unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut sheet, &mut text).unwrap();
        assert!(text.contains("state=\"frozen\""), "sheet {number}");
        assert!(text.contains("<autoFilter"), "sheet {number}");
        assert!(!text.contains("<f>"), "sheet {number}");
    }
}

#[test]
fn the_bars_of_a_workbook_begin_at_nought() {
    let bytes = render(&support::week_of_a_shop(), Format::Xlsx, Language::English).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    for number in 1..=5 {
        let mut chart = archive.by_name(&format!("xl/charts/chart{number}.xml")).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut chart, &mut text).unwrap();
        let figures = text.split("<c:valAx>").nth(1).unwrap();
        assert!(
            figures.contains("<c:min val=\"0\"/>"),
            "chart {number}: {figures}"
        );
    }
}

#[test]
fn a_table_of_figures_reads_the_same_in_every_language_but_its_labels() {
    let report = support::week_of_a_shop();
    let stable = |language| -> Vec<Vec<String>> {
        let lines = lines(&report, language);
        lines
            .iter()
            .map(|line| line.iter().take(6).map(ToOwned::to_owned).collect())
            .collect()
    };
    let english = stable(Language::English);
    assert_eq!(english, stable(Language::Polish));
    assert_eq!(english, stable(Language::Russian));
    let figure = |section: &str, item: &str, measure: &str| {
        let mut lines = english.iter();
        let line = lines.find(|line| line[0] == section && line[1] == item && line[3] == measure);
        line.unwrap_or_else(|| panic!("{section} {item} {measure}"))[4].clone()
    };
    let totals = &report.figures.totals;
    assert_eq!(
        figure("summary", "orders", "now"),
        totals.deductions().to_string()
    );
    assert_eq!(
        figure("attempts", "given_up", "now"),
        totals.attempts.given_up.to_string()
    );
    assert_eq!(figure("skus", "KUB-330-BIALY", "units_taken"), "900");
    assert_eq!(figure("timeline", "2026-11-16T00:00:00Z", "deductions"), {
        report.figures.timeline[0].deductions.to_string()
    });
    let raw = text(&report, Format::Csv, Language::English);
    assert!(raw.lines().count() > 100 && raw.matches("\r\n").count() == raw.lines().count());
}

#[test]
fn an_empty_report_says_so() {
    let report = support::empty();
    let page = text(&report, Format::Html, Language::English);
    assert!(page.contains("Nothing happened in this period."));
    assert!(page.contains("No order lacked stock.") && !page.contains("<svg "));
    assert!(!page.contains("NaN") && !page.contains("inf"));
    let mut book = workbook(&report, Language::Polish);
    assert_eq!(book.sheet_names().len(), 12);
    let shortages = book.worksheet_range("Braki").unwrap();
    assert!(shortages.get_value((1, 0)).is_some());
}

#[test]
fn json_is_read_back_as_it_was() {
    let report = support::week_of_a_shop();
    let bytes = render(&report, Format::Json, Language::English).unwrap();
    assert_eq!(serde_json::from_slice::<Report>(&bytes).unwrap(), report);
}

#[test]
fn a_mail_tells_the_first_figures_and_carries_the_rest() {
    let report = support::week_of_a_shop();
    for (language, subject) in [
        (
            Language::English,
            "Saldo: sync report, 2026-11-16 00:00 to 2026-11-23 00:00",
        ),
        (
            Language::Polish,
            "Saldo: raport synchronizacji od 2026-11-16 00:00 do 2026-11-23 00:00",
        ),
        (
            Language::Russian,
            "Saldo: отчёт о синхронизации с 2026-11-16 00:00 по 2026-11-23 00:00",
        ),
    ] {
        let mail = mail(&report, language).unwrap();
        assert_eq!(mail.subject, subject);
        assert_eq!(mail.attachments.len(), 2);
        assert!(mail.text.lines().count() > 15, "{}", mail.text);
        for attachment in &mail.attachments {
            assert!(attachment.file_name.is_ascii(), "{}", attachment.file_name);
        }
    }
    let name = file_name(&report, Format::Xlsx, Language::Russian);
    assert_eq!(name, "saldo-otchet-o-sinkhronizatsii-2026-11-16.xlsx");
}
