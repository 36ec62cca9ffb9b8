//! Orders of the demonstration, shaped as Allegro's checkout forms.

use serde_json::{Value, json};
use uuid::Uuid;

/// The SKUs on sale, with their names.
pub(super) const GOODS: [(&str, &str); 5] = [
    ("KUB-330-GRA", "Kubek ceramiczny 330 ml granatowy"),
    ("CR1/41", "Ramka pojedyncza kremowa"),
    ("SWI-WAN-90", "Świeca sojowa wanilia"),
    ("SLO-1000", "Słoik pojemnik szklany 1000 ml"),
    ("KONS-01", "Konsola do gier"),
];

/// One line of a form.
pub(super) struct FormLine<'l> {
    /// Allegro's offer.
    pub(super) offer: &'l str,
    /// The seller's own key of the offer, where one was set.
    pub(super) external: Option<&'l str>,
    /// Sold units.
    pub(super) quantity: u32,
}

/// A checkout form that is paid and ready.
pub(super) fn form(order: Uuid, lines: &[FormLine<'_>], bought_at: jiff::Timestamp) -> Value {
    let line_items: Vec<Value> = lines
        .iter()
        .enumerate()
        .map(|(position, line)| {
            json!({
                "id": Uuid::new_v5(&order, &position.to_be_bytes()),
                "offer": {
                    "id": line.offer,
                    "name": "An offer of the demonstration",
                    "external": line.external.map(|id| json!({ "id": id })),
                    "productSet": null,
                },
                "quantity": line.quantity,
                "price": { "amount": "49.99", "currency": "PLN" },
                "originalPrice": { "amount": "49.99", "currency": "PLN" },
                "boughtAt": bought_at,
            })
        })
        .collect();
    json!({
        "id": order,
        "messageToSeller": null,
        "buyer": { "id": "41104028", "email": "buyer@example.com", "login": "buyer", "guest": false },
        "payment": { "id": order, "type": "ONLINE", "provider": "P24", "finishedAt": bought_at },
        "status": "READY_FOR_PROCESSING",
        "fulfillment": {
            "status": "NEW",
            "shipmentSummary": { "lineItemsSent": "NONE" },
            "provider": { "id": "SELLER" },
        },
        "lineItems": line_items,
        "surcharges": [],
        "summary": { "totalToPay": { "amount": "49.99", "currency": "PLN" } },
        "updatedAt": bought_at,
        "revision": "819b5836",
    })
}

/// The form of the n-th ordinary order: one line or two, of goods in turn.
pub(super) fn ordinary(order: Uuid, number: usize, bought_at: jiff::Timestamp) -> Value {
    let first = GOODS[number % GOODS.len()].0;
    let second = GOODS[(number + 1) % GOODS.len()].0;
    let mut lines = vec![FormLine {
        offer: "13445358955",
        external: Some(first),
        quantity: 1 + u32::from(number.is_multiple_of(4)),
    }];
    if number.is_multiple_of(3) {
        lines.push(FormLine {
            offer: "7979034292",
            external: Some(second),
            quantity: 1,
        });
    }
    form(order, &lines, bought_at)
}
