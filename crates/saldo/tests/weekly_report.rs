//! The weekly report as people get it: a real server mails it through a real mail server.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::io::Cursor;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use calamine::{Data, Reader as _, Xlsx};
use serde_json::{Value, json};

use support::mail::MailServer;
use support::{Server, Simulated};

fn content(part: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(part["base64"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_weekly_report_arrives_with_a_page_and_a_workbook_that_open() {
    let mail = MailServer::start("open-sesame", 0);
    let simulated = Simulated::start().await;
    let folder = tempfile::tempdir().unwrap();
    let smtp_url = mail.url();
    let settings = [
        ("SALDO_LANGUAGE", "pl"),
        ("SALDO_CHANNELS__EMAIL__SMTP_URL", smtp_url.as_str()),
        ("SALDO_CHANNELS__EMAIL__FROM", "Saldo <saldo@mail.example>"),
        (
            "SALDO_CHANNELS__EMAIL__TO",
            "anna@firma.example, jan@firma.example",
        ),
    ];
    let server = Server::start_with(folder.path(), &simulated, &settings).await;
    let letters = mail.letters(1);
    let (status, task) = server
        .post("/api/v1/stock-sync/tasks/report/run", &json!({}))
        .await;
    assert_eq!(
        (status, &task["last_outcome"]),
        (200, &json!("succeeded")),
        "{task}"
    );
    let (mut letters, _mail) = letters.await.unwrap();
    let letter = letters.remove(0);
    assert_eq!(
        letter["recipients"],
        json!(["anna@firma.example", "jan@firma.example"])
    );
    assert_eq!(letter["defects"], json!([]));
    let subject = letter["headers"]["subject"].as_str().unwrap();
    assert!(subject.contains("raport"), "{subject}");
    let parts = letter["parts"].as_array().unwrap();
    let types: Vec<&str> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    let workbook_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    assert_eq!(types, ["text/plain", "text/html", "text/html", workbook_type]);

    let page = String::from_utf8(content(&parts[2])).unwrap();
    assert!(parts[2]["name"].as_str().unwrap().ends_with(".html"));
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("lang=\"pl\""));
    assert!(page.ends_with("</html>"), "the page is whole");
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(content(&parts[3]))).unwrap();
    // The first sheet says what it is, the second has the first figures.
    let summary = workbook.sheet_names()[1].clone();
    let sheet = workbook.worksheet_range(&summary).unwrap();
    let numbers = sheet
        .cells()
        .filter(|(_, _, cell)| matches!(cell, Data::Float(_) | Data::Int(_)));
    assert!(numbers.count() > 5, "the figures are numbers");

    // What was mailed is what is kept.
    let (_, kept) = server.get("/api/v1/stock-sync/reports").await;
    let kept = kept["items"].as_array().unwrap();
    assert_eq!(kept.len(), 1);
    let id = kept[0]["id"].as_str().unwrap();
    let path = format!(
        "{}/api/v1/stock-sync/reports/{id}?format=html&language=pl",
        server.api()
    );
    let again = support::http_client()
        .get(path)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(again, page);
    server.stop().await;
}
