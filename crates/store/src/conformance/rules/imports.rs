//! A stock list that is brought over: all of it at once, or nothing, and harmless to repeat.

use saldo_domain::decide::{Command, Count, ImportOutcome, Outcome, StockLine};
use saldo_domain::limits::{IMPORT_LINES_MAX, LINES_MAX};
use saldo_domain::operation::{OperationStatus, OperationType};

use super::world::{World, roll_back, stock};

fn list(of: impl IntoIterator<Item = (String, i64)>) -> Command {
    let lines = of.into_iter().map(|(name, quantity)| StockLine {
        key: stock(&name),
        quantity,
    });
    Command::Import(Count {
        lines: lines.collect(),
        reason: "brought over".to_owned(),
    })
}

fn named(of: &[(&str, i64)]) -> Command {
    list(of.iter().map(|(name, quantity)| ((*name).to_owned(), *quantity)))
}

async fn import(world: &mut World, command: Command) -> ImportOutcome {
    match world.ask(command).await {
        Ok(Outcome::Imported(imported)) => imported,
        other => panic!("a stock list was answered with {other:?}"),
    }
}

pub(super) async fn a_list_sets_every_balance_and_says_what_changed(world: &mut World) {
    for (name, quantity) in [("up", 3), ("down", 5), ("same", 7)] {
        world.receive(name, quantity).await;
    }
    let imported = import(
        world,
        named(&[("new", 2), ("none", 0), ("up", 4), ("down", 0), ("same", 7)]),
    )
    .await;
    let counted = (imported.new, imported.raised, imported.lowered, imported.same);
    assert_eq!(counted, (2, 1, 1, 1));
    assert_eq!(imported.grown, [stock("new"), stock("up")]);
    for (name, quantity) in [("new", 2), ("none", 0), ("up", 4), ("down", 0), ("same", 7)] {
        world.expect_balance(name, quantity).await;
    }
    let operation = world.operation(imported.operations[0]).await;
    assert_eq!(operation.operation_type, OperationType::Adjustment);
    assert_eq!(operation.status, OperationStatus::Completed);
    assert_eq!(operation.lines.len(), 4);
}

pub(super) async fn the_same_list_again_changes_nothing(world: &mut World) {
    import(world, named(&[("A", 2), ("B", 0)])).await;
    let again = import(world, named(&[("A", 2), ("B", 0)])).await;
    assert_eq!((again.same, again.operations.len()), (2, 0));
}

pub(super) async fn a_long_list_is_booked_in_operations_of_bounded_length(world: &mut World) {
    let long = 2 * LINES_MAX + 1;
    let numbered = |count: usize| list((0..count).map(|number| (format!("S{number}"), 1)));
    let imported = import(world, numbered(long)).await;
    assert_eq!((imported.new, imported.operations.len()), (long, 3));
    let mut lines = 0;
    for id in imported.operations {
        let operation = world.operation(id).await;
        assert!(operation.lines.len() <= LINES_MAX);
        lines += operation.lines.len();
        world.ask(roll_back(id, false)).await.unwrap();
    }
    assert_eq!(lines, long);
    world.expect_balance("S0", 0).await;
    assert_eq!(
        world.refused(numbered(IMPORT_LINES_MAX + 1)).await,
        "too_many_lines"
    );
}

pub(super) async fn a_list_with_a_mistake_changes_nothing(world: &mut World) {
    assert_eq!(
        world.refused(named(&[("A", 1), ("B", 1), ("A", 2)])).await,
        "counted_twice"
    );
    assert_eq!(world.refused(named(&[])).await, "too_many_lines");
    assert_eq!(world.balance("B").await, None);
}
