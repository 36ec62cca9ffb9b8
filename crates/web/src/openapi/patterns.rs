//! How the texts of requests look: the rules of the domain, as regular expressions that tools understand.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{Object, RefOr, Schema};

/// What `OrderId` and its like take.
const FOREIGN_ID: &str = "^[A-Za-z0-9._:@-]*[A-Za-z0-9_:@-][A-Za-z0-9._:@-]*$";
/// What `Sku` and `Warehouse` take: something visible, and no control characters.
const NAME: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
/// What a reason, a note or a reference takes: lines and tabs are welcome.
const NOTE: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";
/// What a cursor is made of.
const CURSOR: &str = "^([0-9a-f]{2})+$";

fn pattern_of(name: &str) -> Option<&'static str> {
    match name {
        "order_id" | "line_item_id" | "offer_id" => Some(FOREIGN_ID),
        "sku" | "warehouse" | "from" | "to" | "name" => Some(NAME),
        "reason" | "note" | "reference" => Some(NOTE),
        "cursor" => Some(CURSOR),
        _ => None,
    }
}

/// Describes the texts of a body.
pub(super) fn describe(body: &mut Object) {
    for (name, property) in &mut body.properties {
        add(name, property);
    }
}

/// Describes the texts of a path and a query.
pub(super) fn describe_parameters(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(schema) = &mut parameter.schema
        {
            add(&parameter.name, schema);
        }
    }
}

fn add(name: &str, schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(text)) = schema
        && text.enum_values.is_none()
        && text.pattern.is_none()
        // A moment has its format.
        && text.format.is_none()
    {
        text.pattern = pattern_of(name).map(str::to_owned);
    }
}
