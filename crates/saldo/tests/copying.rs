//! Whole databases copied between SQLite and PostgreSQL, both ways.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

#[path = "../../store-postgres/tests/support/cluster.rs"]
mod cluster;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cluster::Cluster;
use jiff::Timestamp;
use saldo_store::conformance::Fixture;
use saldo_store::conformance::copying::{Story, every_table_is_copied};
use saldo_store::copy::{
    Collector, Comparison, CopyError, Copying, Part, Parts, Progress, TABLES, Totals, Value, Watch, file,
    parts,
};
use saldo_store::{Rules, Store};
use saldo_store_postgres::{PostgresCopying, PostgresOptions, PostgresStore};
use saldo_store_sqlite::{SqliteCopying, SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// What is in each kind of database, and is not copied: it belongs to running servers, or to the schema.
const NOT_COPIED: &[&str] = &["migration", "lease", "instance", "circuit", "commit_marker"];

fn unsafe_options() -> PostgresOptions {
    PostgresOptions {
        allow_unsafe_durability: true,
        ..PostgresOptions::default()
    }
}

fn cluster() -> Cluster {
    Cluster::start_in_memory(&[
        "fsync = off",
        "synchronous_commit = off",
        "full_page_writes = off",
    ])
}

fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn nobody_watches() -> Watch {
    Arc::new(|_| {})
}

/// Copies through a file, as the commands do.
async fn copy_through_a_file(source: &dyn Copying, target: &dyn Copying, path: &Path) -> Comparison {
    let parts = source.dump();
    let to = path.to_owned();
    let writing = tokio::task::spawn_blocking(move || write(parts, &mut std::fs::File::create(&to).unwrap()));
    writing.await.unwrap().unwrap();
    let comparison = target
        .load(read(path.to_owned()), nobody_watches())
        .await
        .unwrap();
    assert!(comparison.holds(), "{comparison:#?}");
    comparison
}

fn write(parts: Parts, out: &mut dyn Write) -> Result<Totals, CopyError> {
    let origin = file::Origin {
        saldo: "test".to_owned(),
        database: "any".to_owned(),
        made_at: Timestamp::UNIX_EPOCH,
    };
    file::write(parts, out, &origin, |_| {})
}

fn read(path: PathBuf) -> Parts {
    let (sender, parts) = parts();
    tokio::task::spawn_blocking(move || {
        let mut input = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        file::read(&mut input, &sender);
    });
    parts
}

/// What a database holds.
async fn totals(source: &dyn Copying) -> Totals {
    let mut parts = source.dump();
    while let Some(part) = parts.recv().await {
        if let Part::End(totals) = part.unwrap() {
            return totals;
        }
    }
    panic!("the copy did not end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_goes_to_the_other_kind_and_comes_back_as_it_was() {
    let (cluster, folder) = (cluster(), folder());
    let made = std::sync::atomic::AtomicU32::new(0);
    let next = || {
        let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        folder.path().join(format!("{number}.db"))
    };
    let make = |rules: Rules| {
        let path = next();
        async move {
            let store = SqliteStore::open(&path, rules, SqliteOptions::default()).unwrap();
            Fixture {
                store: Arc::new(store),
                plant: None,
                keep: Box::new(path),
            }
        }
    };
    let copy = |fixture: Fixture| {
        let (back, file, cluster) = (next(), next(), &cluster);
        async move {
            // Beside the store that still has it open.
            let path = fixture.keep.downcast_ref::<PathBuf>().unwrap();
            let first = SqliteCopying::new(path);
            let database = cluster.url(&cluster.database().await);
            let second = PostgresCopying::new(database, unsafe_options());
            let third = SqliteCopying::new(back);
            copy_through_a_file(&first, &second, &file).await;
            let comparison = third.load(second.dump(), nobody_watches()).await.unwrap();
            assert!(comparison.holds(), "{comparison:#?}");
            let came = totals(&third).await;
            assert_eq!(came, totals(&first).await);
            came
        }
    };
    every_table_is_copied(&make, &copy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_goes_on_in_a_copy_as_it_would_have_gone_on() {
    let (cluster, folder) = (cluster(), folder());
    for seed in 0..4 {
        let path = |name: &str| folder.path().join(format!("{seed}-{name}"));
        let database = cluster.url(&cluster.database().await);
        let mut story = Story::new(seed);
        let sqlite = SqliteCopying::new(path("first.db"));
        let postgres = PostgresCopying::new(&database, unsafe_options());
        let store = SqliteStore::open(path("first.db"), story.rules(), SqliteOptions::default()).unwrap();
        story.tell(&store).await;
        copy_through_a_file(&sqlite, &postgres, &path("up")).await;
        store.close().await.unwrap();

        story.moves_on(false);
        let store = PostgresStore::open(&database, story.rules_after(), unsafe_options())
            .await
            .unwrap();
        story.is_as_in(&store).await;
        story.tell(&store).await;
        story.is_as_in(&store).await;

        // To another server, beside the instance that still has it open.
        let elsewhere = cluster.url(&cluster.database().await);
        let other = PostgresCopying::new(&elsewhere, unsafe_options());
        copy_through_a_file(&postgres, &other, &path("across")).await;
        assert_eq!(totals(&other).await, totals(&postgres).await);
        store.close().await.unwrap();
        story.moves_on(false);
        let store = PostgresStore::open(&elsewhere, story.rules_after(), unsafe_options())
            .await
            .unwrap();
        story.is_as_in(&store).await;
        story.tell(&store).await;
        story.is_as_in(&store).await;

        let down = SqliteCopying::new(path("down.db"));
        copy_through_a_file(&other, &down, &path("down")).await;
        store.close().await.unwrap();
        story.moves_on(true);
        let store =
            SqliteStore::open(path("down.db"), story.rules_after(), SqliteOptions::default()).unwrap();
        story.is_as_in(&store).await;
        story.tell(&store).await;
        story.is_as_in(&store).await;
        store.close().await.unwrap();
    }
}

/// Whether anything of ours was left in a database.
async fn has_schema(cluster: &Cluster, name: &str) -> bool {
    let sql = "SELECT to_regnamespace('saldo') IS NOT NULL";
    let client = cluster.connect(name).await;
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// A small copy of a store with some history, as a file.
async fn some_file(folder: &Path) -> (SqliteCopying, PathBuf) {
    let database = folder.join("source.db");
    let mut story = Story::new(1);
    let store = SqliteStore::open(&database, story.rules(), SqliteOptions::default()).unwrap();
    story.tell(&store).await;
    let (source, path) = (SqliteCopying::new(database), folder.join("file"));
    let (parts, to) = (source.dump(), path.clone());
    let writing = tokio::task::spawn_blocking(move || write(parts, &mut std::fs::File::create(&to).unwrap()));
    writing.await.unwrap().unwrap();
    store.close().await.unwrap();
    (source, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_cut_short_or_changed_is_refused_and_leaves_nothing() {
    let (cluster, folder) = (cluster(), folder());
    let (_, path) = some_file(folder.path()).await;
    let whole = std::fs::read(&path).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let movement = text.find("[\"movement\"").unwrap();
    let last_line = text.trim_end().rfind('\n').unwrap() + 1;
    let number = movement + text[movement..].find("false").unwrap();
    let mut changed = whole.clone();
    changed.splice(number..number + 5, *b"true");
    let without_a_row = [
        &whole[..movement],
        &whole[movement + text[movement..].find('\n').unwrap() + 1..],
    ];
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("it is empty", Vec::new()),
        ("was not made by saldo export", b"SQLite format 3\n".to_vec()),
        ("middle of a line", whole[..movement + 20].to_vec()),
        ("its end is missing", whole[..movement].to_vec()),
        ("its end is missing", whole[..last_line].to_vec()),
        ("checksum is wrong", changed),
        ("checksum is wrong", without_a_row.concat()),
        ("something follows its end", [&whole[..], b"[]\n"].concat()),
        (
            "another version",
            text.replacen("\"failed_read_backs\"", "\"x\"", 1).into_bytes(),
        ),
        (
            "format 7",
            text.replacen("\"saldo_export\":1", "\"saldo_export\":7", 1)
                .into_bytes(),
        ),
    ];
    let name = cluster.database().await;
    let postgres = PostgresCopying::new(cluster.url(&name), unsafe_options());
    let target = folder.path().join("target.db");
    let sqlite = SqliteCopying::new(&target);
    for (why, bytes) in cases {
        let broken = folder.path().join("broken");
        std::fs::write(&broken, bytes).unwrap();
        for target in [&postgres as &dyn Copying, &sqlite] {
            let refused = target
                .load(read(broken.clone()), nobody_watches())
                .await
                .unwrap_err();
            assert!(refused.to_string().contains(why), "{why}: {refused}");
        }
        assert!(!target.exists(), "{why}");
        assert!(!has_schema(&cluster, &name).await, "{why}");
    }
    // What was refused has left a database that the whole file goes into.
    assert!(postgres.load(read(path), nobody_watches()).await.unwrap().holds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_something_in_it_is_left_as_it_is() {
    let (cluster, folder) = (cluster(), folder());
    let (source, path) = some_file(folder.path()).await;
    let database = cluster.url(&cluster.database().await);
    let postgres = PostgresCopying::new(&database, unsafe_options());
    assert!(
        postgres
            .load(source.dump(), nobody_watches())
            .await
            .unwrap()
            .holds()
    );
    let before = totals(&source).await;
    for target in [&postgres as &dyn Copying, &source] {
        let refused = target
            .load(read(path.clone()), nobody_watches())
            .await
            .unwrap_err();
        assert!(matches!(refused, CopyError::NotEmpty(_)), "{refused}");
        assert!(refused.to_string().contains("movement: "), "{refused}");
        assert_eq!(totals(target).await, before);
    }
}

/// The parts of a source with one row changed on the way, behind the back of the totals.
async fn tampered(source: &dyn Copying, table: &str, change: impl Fn(&mut Vec<Value>)) -> Parts {
    let (sender, sent) = parts();
    let mut parts = source.dump();
    let mut all = Vec::new();
    let mut is_done = false;
    while let Some(part) = parts.recv().await {
        let mut part = part.unwrap();
        if let Part::Rows(batch) = &mut part
            && batch.table.name == table
            && !is_done
        {
            change(&mut batch.rows[0]);
            is_done = true;
        }
        all.push(part);
    }
    assert!(is_done);
    tokio::spawn(async move {
        for part in all {
            if sender.send(Ok(part)).await.is_err() {
                return;
            }
        }
    });
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_between_the_sides_is_found_and_nothing_is_stored() {
    let (cluster, folder) = (cluster(), folder());
    let (source, _) = some_file(folder.path()).await;
    let name = cluster.database().await;
    let postgres = PostgresCopying::new(cluster.url(&name), unsafe_options());
    let target = folder.path().join("target.db");
    let sqlite = SqliteCopying::new(&target);
    for side in [&postgres as &dyn Copying, &sqlite] {
        let more = tampered(&source, "balance", |row| row[2] = Value::Integer(1_234_567));
        let comparison = side.load(more.await, nobody_watches()).await.unwrap();
        assert!(!comparison.holds());
        let differs: Vec<&str> = comparison
            .tables
            .iter()
            .filter(|table| table.source != table.target)
            .map(|table| table.table)
            .collect();
        assert_eq!(differs, ["balance"]);
        assert_eq!(
            comparison.violations[0].invariant, 1,
            "{:?}",
            comparison.violations
        );
    }
    assert!(!target.exists());
    assert!(!has_schema(&cluster, &name).await);
}

/// Rows that agree on both sides, but break an invariant, as in a source that was damaged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_invariant_comes_to_no_copy_even_when_both_sides_agree() {
    let (cluster, folder) = (cluster(), folder());
    let database = cluster.url(&cluster.database().await);
    let targets: [&dyn Copying; 2] = [
        &PostgresCopying::new(&database, unsafe_options()),
        &SqliteCopying::new(folder.path().join("target.db")),
    ];
    for target in targets {
        let balance = TABLES.iter().find(|table| table.name == "balance").unwrap();
        let row = vec![
            Value::text("MUG"),
            Value::text("Ирина"),
            Value::Integer(5),
            Value::Integer(1),
            Value::Integer(0),
        ];
        let mut collector = Collector::default();
        assert!(collector.add(balance, row).unwrap().is_none());
        let (rest, totals) = collector.end();
        let (sender, sent) = parts();
        for part in [
            Part::Begin { rows: 1 },
            Part::Rows(rest.unwrap()),
            Part::End(totals),
        ] {
            sender.send(Ok(part)).await.unwrap();
        }
        let comparison = target.load(sent, nobody_watches()).await.unwrap();
        assert!(comparison.tables.iter().all(|table| table.source == table.target));
        assert_eq!(
            comparison.violations[0].invariant, 1,
            "{:?}",
            comparison.violations
        );
        assert!(!comparison.holds());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_told_from_the_beginning_to_the_check() {
    let folder = folder();
    let (source, _) = some_file(folder.path()).await;
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let watch: Watch = {
        let told = Arc::clone(&told);
        Arc::new(move |progress| told.lock().unwrap().push(progress))
    };
    let target = SqliteCopying::new(folder.path().join("target.db"));
    assert!(target.load(source.dump(), watch).await.unwrap().holds());
    let rows = totals(&source).await.values().map(|tally| tally.rows).sum();
    let told = told.lock().unwrap();
    assert_eq!(told.first(), Some(&Progress::Begun { rows }));
    assert!(told.contains(&Progress::Copied { rows }), "{told:?}");
    assert!(told.contains(&Progress::ReadBack { rows }), "{told:?}");
    assert_eq!(told.last(), Some(&Progress::Checking));
}

/// Columns that copies know under another name, or that each database gives by itself.
fn own_columns(table: &str) -> &'static [&'static str] {
    match table {
        "orders" | "api_key" => &["number"],
        "line_holder" => &["holder"],
        "stock_count" => &["only", "number"],
        "delivery" => &["lock_name", "queued_at"],
        _ => &[],
    }
}

/// Fails when a table or a column is neither copied nor known not to be.
fn assert_all_is_known(columns: &[(String, String)]) {
    let copied = |table: &str, column: &str| {
        let names = |table: &saldo_store::copy::Table| table.columns.iter().any(|known| known.name == column);
        TABLES.iter().any(|known| {
            // In SQLite, a delivery is a part of its order.
            (known.name == table || (known.name == "delivery" && table == "orders")) && names(known)
        })
    };
    for (table, column) in columns {
        assert!(
            NOT_COPIED.contains(&table.as_str())
                || own_columns(table).contains(&column.as_str())
                || copied(table, column),
            "a migration brought {table}.{column}: name it in crates/store/src/copy/tables.rs, so that `saldo export` \
             takes it along, or in NOT_COPIED of this test when it belongs to running servers"
        );
    }
    let there: BTreeSet<&str> = columns.iter().map(|(table, _)| table.as_str()).collect();
    assert!(
        there.contains("orders") && there.contains("movement"),
        "{there:?}"
    );
}

#[tokio::test]
async fn every_table_and_column_of_sqlite_is_copied_or_known_not_to_be() {
    let folder = folder();
    let path = folder.path().join("saldo.db");
    let store = SqliteStore::open(&path, Story::new(0).rules(), SqliteOptions::default()).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let columns: Vec<(String, String)> = connection
        .prepare(
            "SELECT tables.name, columns.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns \
             WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'",
        )
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_all_is_known(&columns);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_and_column_of_postgresql_is_copied_or_known_not_to_be() {
    let cluster = cluster();
    let name = cluster.database().await;
    let store = PostgresStore::open(&cluster.url(&name), Story::new(0).rules(), unsafe_options())
        .await
        .unwrap();
    let client = cluster.connect(&name).await;
    let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns \
               WHERE table_schema = 'saldo'";
    let columns = client.query(sql, &[]).await.unwrap();
    let columns: Vec<(String, String)> = columns.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_all_is_known(&columns);
    store.close().await.unwrap();
}

/// An instance that starts on a database while a copy is taken up waits for it, and finds all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_starts_while_a_copy_is_taken_up_waits_for_it() {
    let (cluster, folder) = (cluster(), folder());
    let (source, _) = some_file(folder.path()).await;
    let database = cluster.url(&cluster.database().await);
    let mut from = source.dump();
    let (sender, sent) = parts();
    let target = PostgresCopying::new(&database, unsafe_options());
    let loading = tokio::spawn(async move { target.load(sent, nobody_watches()).await });
    while let Some(part) = from.recv().await {
        let part = part.unwrap();
        if !matches!(part, Part::End(_)) {
            sender.send(Ok(part)).await.unwrap();
            continue;
        }
        // All but the end is there: the copy is under way, and will be for as long as nothing more is sent.
        let rules = Story::new(1).rules_after();
        let url = database.clone();
        let starting = tokio::spawn(async move { PostgresStore::open(&url, rules, unsafe_options()).await });
        until_somebody_waits(&cluster).await;
        assert!(!starting.is_finished());
        sender.send(Ok(part)).await.unwrap();
        let store = starting.await.unwrap().unwrap();
        let copied = totals(&PostgresCopying::new(&database, unsafe_options())).await;
        assert_eq!(copied, totals(&source).await);
        store.close().await.unwrap();
        break;
    }
    assert!(loading.await.unwrap().unwrap().holds());
}

async fn until_somebody_waits(cluster: &Cluster) {
    let client = cluster.connect("postgres").await;
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
