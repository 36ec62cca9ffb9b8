//! Stock: balances, movements, documents and mappings.

pub mod adjustments;
pub mod balances;
pub mod imports;
pub mod mappings;
pub mod movements;
pub mod receipts;
pub mod transfers;
pub mod validate;

use saldo_domain::decide::StockLine;
use saldo_domain::ids::OperationId;
use saldo_domain::limits::LINES_MAX;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use serde_json::Value;

use crate::answer::Answer;
use crate::app::App;
use crate::fields::{Fields, checked};
use crate::problem::Problem;
use crate::wire::{DocumentBody, OperationBody};

/// Lines of a stock document: what, where, and a number that goes by `number`.
fn lines<'v>(
    fields: &Fields<'v>,
    number: &str,
    read: impl Fn(&'v Value) -> Result<i64, String>,
    default: &Warehouse,
) -> Option<Vec<StockLine>> {
    fields.list("lines", LINES_MAX, &["sku", "warehouse", number], |line| {
        let sku = line.required("sku", checked(Sku::parse));
        let warehouse = line.optional("warehouse", checked(Warehouse::parse));
        let quantity = line.required(number, &read);
        let (sku, quantity) = sku.zip(quantity)?;
        let warehouse = warehouse.unwrap_or_else(|| default.clone());
        Some(StockLine {
            key: StockKey { sku, warehouse },
            quantity,
        })
    })
}

/// What a stock document did. It is recorded by now: that it cannot be read back is no failure of it.
async fn document_answer(app: &App, operation_id: Option<OperationId>) -> Result<Answer, Problem> {
    let operation = match operation_id {
        Some(id) => app.service.store().operation(id).await.unwrap_or_default(),
        None => None,
    };
    let names = app.names().await.unwrap_or_default();
    let operation = operation
        .as_ref()
        .map(|operation| OperationBody::new(operation, &names));
    Answer::ok(&DocumentBody {
        success: true,
        operation_id,
        operation,
    })
}
