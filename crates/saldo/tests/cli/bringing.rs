//! Bringing one's data: stock lists as files, and the tables of the original system.

use std::io::Write as _;

use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Folder, Server, form};

fn balances(folder: &Folder) -> Vec<(String, String, i64)> {
    let list = folder.json(&["stock", "list"]);
    let items = list["items"].as_array().unwrap().iter();
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    let mut balances: Vec<_> = items
        .map(|item| {
            (
                text(item, "sku"),
                text(item, "warehouse"),
                item["quantity"].as_i64().unwrap(),
            )
        })
        .collect();
    balances.sort();
    balances
}

fn balance(folder: &Folder, sku: &str) -> i64 {
    let found: Vec<_> = balances(folder).into_iter().filter(|row| row.0 == sku).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].2
}

fn counts(result: &Value) -> [u64; 5] {
    ["lines", "new", "raised", "lowered", "same"].map(|name| result[name].as_u64().unwrap())
}

#[test]
fn a_preview_makes_no_database() {
    let folder = Folder::new();
    folder.write("stock.csv", "sku,quantity\nMUG,10\n");
    let preview = folder.run(&["stock", "import", "stock.csv", "--dry-run"]);
    assert_eq!(preview.code, 0, "{preview:?}");
    assert!(preview.stdout.contains("1 line: 1 new"), "{preview:?}");
    assert!(preview.stderr.contains("There is no database"), "{preview:?}");
    let source = as_csv(&folder);
    let adopted = import_original(&folder, source, &["--dry-run"]);
    assert_eq!(adopted["orders"], json!({ "adopted": 6 }));
    assert_eq!(folder.databases(), [] as [String; 0]);
}

#[test]
fn a_csv_file_is_previewed_imported_and_harmless_to_repeat() {
    let folder = Folder::new();
    folder.json(&["stock", "receive", "MUG", "10"]);
    folder.write(
        "stock.csv",
        "\u{feff}sku;ilość;magazyn\r\nMUG;4;\r\n\r\nKUBEK;1 200;Łódź\r\n\"A;B\";0;\r\n",
    );
    let preview = folder.json(&["stock", "import", "stock.csv", "--dry-run"]);
    assert_eq!(counts(&preview), [3, 2, 0, 1, 0]);
    assert_eq!(balance(&folder, "MUG"), 10);
    let human = folder.run(&["stock", "import", "stock.csv", "--dry-run"]);
    assert!(
        human
            .stdout
            .contains("3 lines: 2 new, 0 raised, 1 lowered, 0 the same"),
        "{human:?}"
    );
    let done = folder.json(&["stock", "import", "stock.csv"]);
    assert_eq!(done["operation_ids"].as_array().unwrap().len(), 1);
    let row = |sku: &str, warehouse: &str, quantity| (sku.to_owned(), warehouse.to_owned(), quantity);
    let expected = [
        row("A;B", "Ирина", 0),
        row("KUBEK", "Łódź", 1_200),
        row("MUG", "Ирина", 4),
    ];
    assert_eq!(balances(&folder), expected);
    let again = folder.json(&["stock", "import", "stock.csv", "--yes"]);
    assert_eq!(counts(&again), [3, 0, 0, 0, 3]);
    assert_eq!(balances(&folder), expected);
    // It is a document like any other: it can be undone.
    let id = done["operation_ids"][0].as_str().unwrap();
    folder.json(&["rollback", id, "--reason", "the wrong file"]);
    assert_eq!(balance(&folder, "MUG"), 10);
}

#[test]
fn every_mistake_is_told_at_once_and_nothing_is_imported() {
    let folder = Folder::new();
    folder.write(
        "stock.csv",
        "sku,warehouse,quantity\nA,,1\n,,x\nA,,2\nB,,-1\nC,,1.5,9\n",
    );
    let ran = folder.run(&["stock", "import", "stock.csv"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for told in [
        "row 3, sku: is missing",
        "row 3, quantity: must be a whole number, not \"x\"",
        "row 4, sku: A stands in row 2 already",
        "row 5, quantity: must be from 0 to 1000000, not -1",
        "row 6: has more cells than the heading",
        "Nothing was imported: 5 things are wrong",
    ] {
        assert!(ran.stderr.contains(told), "{told}: {ran:?}");
    }
    let json = folder.run(&["--json", "stock", "import", "stock.csv"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        json["errors"][0],
        json!({ "row": 3, "column": "sku", "message": "is missing" })
    );
    assert_eq!(folder.databases(), [] as [String; 0]);
    // What only the ledger can tell: this is its default warehouse.
    folder.write("twice.csv", "sku,warehouse,quantity\nA,,1\n\nA,Ирина,1\n");
    let ran = folder.run(&["stock", "import", "twice.csv"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stderr
            .contains("row 4, sku: A in Ирина stands in line 1 already"),
        "{ran:?}"
    );
}

#[test]
fn files_in_old_code_pages_are_read_and_doubtful_ones_asked_about() {
    let folder = Folder::new();
    let (russian, _, _) = encoding_rs::WINDOWS_1251.encode("артикул\tсклад\tостаток\nКРУЖКА\tИрина\t5\n");
    std::fs::write(folder.path().join("russian.csv"), russian).unwrap();
    let (polish, _, _) = encoding_rs::WINDOWS_1250.encode("kod;ilość\nKUBEK ŻÓŁTY;6\n");
    std::fs::write(folder.path().join("polish.csv"), polish).unwrap();
    folder.json(&["stock", "import", "russian.csv"]);
    folder.json(&["stock", "import", "polish.csv"]);
    assert_eq!(balance(&folder, "КРУЖКА"), 5);
    assert_eq!(balance(&folder, "KUBEK ŻÓŁTY"), 6);
    std::fs::write(folder.path().join("doubtful.csv"), b"sku,qty\nA \xf3 B,1\n").unwrap();
    let ran = folder.run(&["stock", "import", "doubtful.csv"]);
    assert!(ran.code == 1 && ran.stderr.contains("--encoding"), "{ran:?}");
    folder.json(&["stock", "import", "doubtful.csv", "--encoding", "windows-1250"]);
    assert_eq!(balance(&folder, "A ó B"), 1);
}

#[test]
fn a_workbook_is_imported_with_numbers_formulas_and_text() {
    let folder = Folder::new();
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name("Stany").unwrap();
    for (column, name) in ["Nazwa", "Kod produktu", "Magazyn", "Stan"].iter().enumerate() {
        sheet.write(0, column as u16, *name).unwrap();
    }
    sheet.write(1, 1, "MUG").unwrap().write(1, 3, 7).unwrap();
    sheet
        .write(2, 1, 5_901_234_123_457.0)
        .unwrap()
        .write(2, 3, "1 200")
        .unwrap();
    let sum = Formula::new("=4+5").set_result("9");
    sheet.write(4, 1, "SUM").unwrap().write(4, 3, sum).unwrap();
    book.add_worksheet().set_name("Other").unwrap();
    book.save(folder.path().join("stock.xlsx")).unwrap();
    let ran = folder.run(&["stock", "import", "stock.xlsx", "--warehouse", "Shop"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("The first sheet was read, Stany"), "{ran:?}");
    assert_eq!(balance(&folder, "MUG"), 7);
    assert_eq!(balance(&folder, "5901234123457"), 1_200);
    assert_eq!(balance(&folder, "SUM"), 9);
    assert!(balances(&folder).iter().all(|row| row.1 == "Shop"));
    let empty = folder.run(&["stock", "import", "stock.xlsx", "--sheet", "Other"]);
    assert!(empty.code == 1 && empty.stderr.contains("empty"), "{empty:?}");
}

#[test]
fn a_workbook_with_dates_and_errors_is_refused_with_its_cells() {
    let folder = Folder::new();
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "sku").unwrap().write(0, 1, "quantity").unwrap();
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let day = ExcelDateTime::from_ymd(2026, 1, 2).unwrap();
    sheet
        .write_with_format(1, 0, &day, &date)
        .unwrap()
        .write(1, 1, 1)
        .unwrap();
    sheet.write(2, 0, "B").unwrap().write(2, 1, 1.5).unwrap();
    sheet.write(3, 0, "C").unwrap().write(3, 1, true).unwrap();
    book.save(folder.path().join("stock.xlsx")).unwrap();
    let ran = folder.run(&["stock", "import", "stock.xlsx"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for told in [
        "row 2, sku: was made a date",
        "row 3, quantity: must be a whole",
        "row 4, quantity: is true or",
    ] {
        assert!(ran.stderr.contains(told), "{told}: {ran:?}");
    }
}

#[test]
fn hostile_files_are_refused_in_words() {
    let folder = Folder::new();
    // A small file that is a gigabyte inside.
    let mut bomb = zip::ZipWriter::new(std::fs::File::create(folder.path().join("bomb.xlsx")).unwrap());
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    bomb.start_file("xl/worksheets/sheet1.xml", options).unwrap();
    let zeros = vec![0_u8; 1024 * 1024];
    for _ in 0..300 {
        bomb.write_all(&zeros).unwrap();
    }
    bomb.finish().unwrap();
    // A cell at the far end of a sheet.
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "sku").unwrap().write(0, 1, "quantity").unwrap();
    sheet.write(1, 0, "A").unwrap().write(1, 1, 1).unwrap();
    sheet.write(1_048_575, 16_383, "far").unwrap();
    book.save(folder.path().join("far.xlsx")).unwrap();
    folder.write("formula.csv", "sku,quantity\n=1+1,=SUM(A1:A9)\n");
    folder.write("broken.xlsx", "PK\u{3}\u{4} and nothing more");
    std::fs::write(folder.path().join("binary.csv"), [0_u8; 100]).unwrap();
    folder.write("empty.csv", "");
    for (file, told) in [
        ("bomb.xlsx", "larger than 256 MiB inside"),
        ("formula.csv", "is a formula"),
        ("broken.xlsx", "no XLSX workbook"),
        ("binary.csv", "no text file"),
        ("empty.csv", "the file is empty"),
        ("missing.csv", "missing.csv"),
    ] {
        let ran = folder.run(&["stock", "import", file]);
        assert_eq!(ran.code, 1, "{file}: {ran:?}");
        assert!(ran.stderr.contains(told), "{file}: {ran:?}");
    }
    folder.json(&["stock", "import", "far.xlsx"]);
    assert_eq!(
        balances(&folder).len(),
        1,
        "what lies beyond the columns is not looked at"
    );
}

#[test]
fn a_long_list_is_imported_through_a_server() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut text = "sku,counted\n".to_owned();
    for number in 0..50_000 {
        text.push_str(&format!("SKU-{number},{}\n", number % 100));
    }
    folder.write("stock.csv", &text);
    let through = |arguments: &[&str]| folder.json(&[arguments, &["--server", &server.address]].concat());
    let done = through(&["stock", "import", "stock.csv"]);
    assert_eq!(counts(&done), [50_000, 50_000, 0, 0, 0]);
    assert_eq!(done["operation_ids"].as_array().unwrap().len(), 50);
    assert_eq!(
        counts(&through(&["stock", "import", "stock.csv"])),
        [50_000, 0, 0, 0, 50_000]
    );
    assert_eq!(
        through(&["stock", "list", "--sku", "SKU-77"])["items"][0]["quantity"],
        77
    );
}

/// The orders of the original: sold and told, only the flag confirmed, the flag still owed, given up with one of its
/// lines, undone, and one that only a log entry names.
const SOLD: &str = "00000000-0000-11f1-0000-000000000001";
const CONFIRMED: &str = "00000000-0000-11f1-0000-000000000002";
const OWED: &str = "00000000-0000-11f1-0000-000000000003";
const FAILED: &str = "00000000-0000-11f1-0000-000000000004";
const UNDONE: &str = "00000000-0000-11f1-0000-000000000005";
const LOGGED: &str = "00000000-0000-11f1-0000-000000000006";
const ORDERS: [&str; 6] = [SOLD, CONFIRMED, OWED, FAILED, UNDONE, LOGGED];

const PENDING_COLUMNS: &str = "id,order_id,operation_type,status,sku,quantity,warehouse,retry_count,max_retries,\
                               next_retry_at,created_at,updated_at,error_message,allegro_order_id";

type Cells = Vec<Vec<Option<String>>>;

fn cells(rows: &[&[&str]]) -> Cells {
    let cell = |text: &&str| (*text != "-").then(|| (*text).to_owned());
    rows.iter().map(|row| row.iter().map(cell).collect()).collect()
}

/// The tables with their columns, as the original architecture writes them down.
fn tables() -> Vec<(&'static str, &'static str, Cells)> {
    let operation =
        |number: &'static str| -> String { format!("10000000-0000-4000-8000-00000000000{number}") };
    let pending = |number: &'static str,
                   order: &'static str,
                   kind: &'static str,
                   status: &'static str,
                   error: &'static str| {
        let moment = "2026-01-02 03:04:05";
        let id = operation(number);
        cells(&[&[
            &id,
            order,
            kind,
            status,
            "MUG",
            "2",
            "Ирина",
            "1",
            "5",
            moment,
            moment,
            moment,
            error,
            order,
        ]])
        .remove(0)
    };
    let log = |number: &'static str, action: &'static str, details: String| {
        let id = format!("20000000-0000-4000-8000-00000000000{number}");
        let of = operation(number);
        cells(&[&[&id, &of, action, action, &details, "2026-01-02 03:04:06"]]).remove(0)
    };
    vec![
        (
            "stock",
            "sku,warehouse,quantity",
            cells(&[&["MUG", "Ирина", "40"], &["SPOON", "Ирина", "7"]]),
        ),
        (
            "sale",
            "id,order_id,sku,warehouse,quantity,created_at",
            cells(&[
                &["1", SOLD, "MUG", "Ирина", "2", "2026-01-01"],
                &["2", SOLD, "SPOON", "Ирина", "1", "2026-01-01"],
                &["3", OWED, "MUG", "Ирина", "2", "2026-01-01"],
                &["4", "-", "MUG", "Ирина", "1", "2026-01-01"],
            ]),
        ),
        (
            "pendingstockoperation",
            PENDING_COLUMNS,
            vec![
                pending("1", CONFIRMED, "deduction", "completed", "-"),
                pending("2", OWED, "deduction", "pending", "timed out"),
                pending("3", FAILED, "deduction", "failed", "HTTP 500\twith a tab"),
                pending("4", UNDONE, "deduction", "failed", "-"),
                pending("5", "stock-taking", "adjustment", "completed", "-"),
            ],
        ),
        (
            "stocksynchronizationlog",
            "id,operation_id,action,status,details,timestamp",
            vec![
                log("4", "rolled_back", "{}".to_owned()),
                log("9", "completed", json!({ "order_id": LOGGED }).to_string()),
            ],
        ),
    ]
}

fn as_csv(folder: &Folder) -> &'static str {
    std::fs::create_dir(folder.path().join("tables")).unwrap();
    for (name, columns, rows) in tables() {
        let mut text = columns.to_owned() + "\n";
        for row in rows {
            let quoted = |cell: &Option<String>| match cell {
                Some(text) => format!("\"{}\"", text.replace('"', "\"\"")),
                None => String::new(),
            };
            text.push_str(&row.iter().map(quoted).collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        folder.write(&format!("tables/{name}.csv"), &text);
    }
    "tables"
}

fn as_sqlite(folder: &Folder) -> &'static str {
    let connection = rusqlite::Connection::open(folder.path().join("original.db")).unwrap();
    for (name, columns, rows) in tables() {
        connection
            .execute_batch(&format!("CREATE TABLE {name} ({columns})"))
            .unwrap();
        for row in rows {
            let places = vec!["?"; row.len()].join(",");
            // Ids of SQLite's own kind: without dashes.
            let bare = |cell: &Option<String>| match cell {
                Some(text) if text.starts_with("10000000-") => Some(text.replace('-', "")),
                other => other.clone(),
            };
            connection
                .execute(
                    &format!("INSERT INTO {name} VALUES ({places})"),
                    rusqlite::params_from_iter(row.iter().map(bare)),
                )
                .unwrap();
        }
    }
    "original.db"
}

fn as_dump(folder: &Folder) -> &'static str {
    let mut text = "--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n\n\
                    COPY public.secrets (a) FROM stdin;\nCOPY public.sale (a) FROM stdin;\n\\.\n\n"
        .to_owned();
    for (name, columns, rows) in tables() {
        let columns = columns.replace(',', ", ");
        text.push_str(&format!("COPY public.{name} ({columns}) FROM stdin;\n"));
        for row in rows {
            let escaped = |cell: &Option<String>| match cell {
                Some(text) => text.replace('\\', "\\\\").replace('\t', "\\t"),
                None => "\\N".to_owned(),
            };
            text.push_str(&row.iter().map(escaped).collect::<Vec<_>>().join("\t"));
            text.push('\n');
        }
        text.push_str("\\.\n\n\n");
    }
    text.push_str("--\n-- PostgreSQL database dump complete\n--\n");
    folder.write("dump.sql", &text);
    "dump.sql"
}

/// As `sqlite3 original.db .dump` and `pg_dump --inserts` write them.
fn as_inserts(folder: &Folder) -> &'static str {
    let mut text = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n".to_owned();
    for (name, columns, rows) in tables() {
        text.push_str(&format!(
            "CREATE TABLE {name} (\n\t{}\n);\n",
            columns.replace(',', ", \n\t")
        ));
        for row in rows {
            let quoted = |cell: &Option<String>| match cell {
                Some(text) => format!("'{}'", text.replace('\'', "''")),
                None => "NULL".to_owned(),
            };
            let values = row.iter().map(quoted).collect::<Vec<_>>().join(",");
            text.push_str(&format!("INSERT INTO {name} VALUES({values});\n"));
        }
    }
    text.push_str("COMMIT;\n");
    folder.write("inserts.sql", &text);
    "inserts.sql"
}

fn import_original(folder: &Folder, source: &str, more: &[&str]) -> Value {
    let arguments = [&["import-original", source, "--account", ACCOUNT], more].concat();
    folder.json(&arguments)
}

#[test]
fn what_the_original_has_deducted_is_never_deducted_again() {
    for make in [as_csv, as_sqlite, as_dump, as_inserts] {
        let folder = Folder::new();
        let source = make(&folder);
        let preview = import_original(&folder, source, &["--dry-run"]);
        assert_eq!(preview["orders"], json!({ "adopted": 6 }), "{source}: {preview}");
        assert_eq!(folder.databases(), [] as [String; 0]);
        let done = import_original(&folder, source, &[]);
        assert_eq!(done["orders"], json!({ "adopted": 6 }), "{source}: {done}");
        assert_eq!(done["read"]["sales"], 4);
        assert_eq!(done["read"]["without_order"], 2);
        let unconfirmed: Vec<&str> = done["unconfirmed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|order| order["order_id"].as_str().unwrap())
            .collect();
        assert_eq!(unconfirmed, [OWED, FAILED], "{source}");
        assert_eq!(done["unconfirmed"][1]["error"], "HTTP 500 with a tab");
        let before = balances(&folder);
        assert_eq!(before.iter().map(|row| row.2).collect::<Vec<_>>(), [40, 7]);
        let forms: Vec<String> = ORDERS
            .iter()
            .map(|order| form(order, "MUG", 2).to_string())
            .collect();
        let posted = folder.run_with_input(
            &["--json", "process", "-", "--account", ACCOUNT],
            &forms.join("\n"),
        );
        for line in posted.stdout.lines() {
            let result: Value = serde_json::from_str(line).unwrap();
            assert_eq!(result["status"], "skipped", "{source}: {result}");
            assert_eq!(result["duplicate"], true, "{source}: {result}");
        }
        assert_eq!(posted.stdout.lines().count(), ORDERS.len(), "{posted:?}");
        assert_eq!(balances(&folder), before, "{source}");
        let again = import_original(&folder, source, &[]);
        assert_eq!(again["orders"], json!({ "known": 6 }), "{source}: {again}");
        assert_eq!(counts(&again["stock"]), [2, 0, 0, 0, 2]);
    }
}

#[test]
fn flags_that_the_original_owes_are_handed_over_without_moving_a_balance() {
    let folder = Folder::new();
    let source = as_csv(&folder);
    let done = import_original(&folder, source, &["--hand-over"]);
    assert_eq!(
        done["orders"],
        json!({ "adopted": 5, "handed_over": 1 }),
        "{done}"
    );
    // Of the other one only an operation tells, and an operation of the original names a single line.
    assert_eq!(done["unconfirmed"].as_array().unwrap().len(), 1);
    assert_eq!(done["unconfirmed"][0]["order_id"], FAILED);
    assert_eq!((balance(&folder, "MUG"), balance(&folder, "SPOON")), (40, 7));
    let pending = folder.json(&["pending"]);
    assert_eq!(pending["items"].as_array().unwrap().len(), 1, "{pending}");
    assert_eq!(pending["items"][0]["order_id"], OWED);
    let posted = form(OWED, "MUG", 2).to_string();
    folder.run_with_input(&["process", "-", "--account", ACCOUNT], &posted);
    assert_eq!(balance(&folder, "MUG"), 40);
    let again = import_original(&folder, source, &["--hand-over"]);
    assert_eq!(again["orders"], json!({ "known": 6 }));
    let doctor = folder.run(&["doctor"]);
    assert!(doctor.stdout.contains("every invariant holds"), "{doctor:?}");
}

#[test]
fn an_order_that_both_sides_deducted_is_put_before_a_person() {
    let folder = Folder::new();
    folder.json(&["stock", "receive", "MUG", "10"]);
    folder.run_with_input(
        &["process", "-", "--account", ACCOUNT],
        &form(SOLD, "MUG", 2).to_string(),
    );
    let source = as_dump(&folder);
    let ran = folder.run(&["import-original", source, "--account", ACCOUNT, "--skip-stock"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("1 in conflict") && ran.stdout.contains(SOLD),
        "{ran:?}"
    );
    assert_eq!(balance(&folder, "MUG"), 8);
}

#[test]
fn tables_that_cannot_be_imported_are_told_of_and_nothing_is() {
    let folder = Folder::new();
    let source = as_csv(&folder);
    let homeless = folder.run(&["import-original", source]);
    assert_eq!(homeless.code, 1, "{homeless:?}");
    assert!(
        homeless.stderr.contains("6 orders do not say their account"),
        "{homeless:?}"
    );
    let orders: String = ORDERS
        .iter()
        .map(|order| format!("{order},{ACCOUNT}\n"))
        .collect();
    folder.write("tables/allegro_orders.csv", &format!("id,token_id\n{orders}"));
    let found = folder.json(&["import-original", source, "--dry-run"]);
    assert_eq!(found["orders"], json!({ "adopted": 6 }));
    folder.write(
        "tables/sale.csv",
        "order_id,sku,quantity,token_id\na b,MUG,1,\nc,,0,x\nd,,0,\n",
    );
    folder.write("tables/stock.csv", "sku,quantity\nMUG,-3\n");
    let bad = folder.run(&["import-original", source, "--account", ACCOUNT]);
    assert_eq!(bad.code, 1, "{bad:?}");
    for told in [
        "sale, row 1: an order id may have",
        "sale, row 2: its token_id is no UUID",
        "stock, row 1, quantity",
    ] {
        assert!(bad.stderr.contains(told), "{told}: {bad:?}");
    }
    assert_eq!(folder.databases(), [] as [String; 0]);
    std::fs::write(folder.path().join("custom.dump"), b"PGDMP\x01\x0e").unwrap();
    let custom = folder.run(&["import-original", "custom.dump", "--account", ACCOUNT]);
    assert!(
        custom.code == 1 && custom.stderr.contains("pg_restore -f"),
        "{custom:?}"
    );
    std::fs::create_dir(folder.path().join("dump")).unwrap();
    folder.write("dump/toc.dat", "PGDMP");
    let split = folder.run(&["import-original", "dump", "--account", ACCOUNT]);
    assert!(
        split.code == 1 && split.stderr.contains("pg_restore -f"),
        "{split:?}"
    );
    // One that lacks its end lacks orders, and these would be deducted once more.
    let whole = std::fs::read_to_string(folder.path().join(as_inserts(&folder))).unwrap();
    folder.write("cut.sql", &whole[..whole.len() - 20]);
    let cut = folder.run(&["import-original", "cut.sql", "--account", ACCOUNT]);
    assert!(cut.code == 1 && cut.stderr.contains("not complete"), "{cut:?}");
    folder.write("notes.csv", "a,b\n");
    let unnamed = folder.run(&["import-original", "notes.csv", "--account", ACCOUNT]);
    assert!(
        unnamed.code == 1 && unnamed.stderr.contains("sale.csv"),
        "{unnamed:?}"
    );
}
