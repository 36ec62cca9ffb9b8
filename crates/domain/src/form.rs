//! Checkout forms: from hostile JSON to a copy of an order that is well formed, or every problem at once.
//!
//! Forms come from people's scripts, and from a service that stores whatever it was given. Unknown fields are
//! ignored, an explicit `null` is as good as an absent field, and nothing here can panic.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::{LineItemId, OfferId, OrderId};
use crate::limits::{BALANCE_MAX, LINES_MAX, PROBLEMS_MAX, QUANTITY_MAX};
use crate::text::{Sku, TextError, one_line};

/// Characters of a revision. Allegro's have 8; a longer one is refused and not cut, since two that were cut
/// could look the same.
pub const REVISION_CHARACTERS_MAX: usize = 64;

/// Characters of a refused value that a message repeats.
const QUOTED_CHARACTERS_MAX: usize = 40;

/// The moments a form may name: from 1970 to the end of 9998 (seconds since 1970). A later one would leave no
/// room to add a waiting time to it.
const MOMENT_SECONDS: std::ops::Range<i64> = 0..253_370_764_800;

// The sum of a SKU over all lines of a form needs no check of its own: the bounds of quantity and lines keep it
// far below the largest balance.
const _: () = assert!(QUANTITY_MAX * (LINES_MAX as i64) <= BALANCE_MAX);

/// Where a copy of an order came from. It decides how far the copy is trusted: the service's stored copies
/// may be frozen at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Posted to us, as Allegro gave it.
    Posted,
    /// A row of the orders service's list.
    Listed,
    /// A row of the orders service's search.
    Searched,
    /// The orders service's single-order answer, fetched from Allegro at that moment.
    Live,
}

/// The form's `status`, which Allegro or the buyer sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormStatus {
    /// `BOUGHT`: not paid yet.
    Bought,
    /// `FILLED_IN`: delivery chosen, not paid yet.
    FilledIn,
    /// `READY_FOR_PROCESSING`, or no status field.
    Ready,
    /// `CANCELLED`: by the buyer or automatically; final.
    Cancelled,
}

impl FormStatus {
    /// Every status that Allegro knows, for messages.
    const KNOWN: &str = "BOUGHT, FILLED_IN, READY_FOR_PROCESSING, CANCELLED";

    /// Reads Allegro's word for a status.
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "BOUGHT" => Some(Self::Bought),
            "FILLED_IN" => Some(Self::FilledIn),
            "READY_FOR_PROCESSING" => Some(Self::Ready),
            "CANCELLED" => Some(Self::Cancelled),
            _ => None,
        }
    }
}

/// One copy of an order, as somebody saw it at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCopy {
    /// The form's `id`; of a stored row that lacks it, `allegro_order_id`.
    pub order: OrderId,
    /// Where the copy came from.
    pub source: Source,
    /// Whether it is paid, or cancelled.
    pub status: FormStatus,
    /// The seller set the fulfillment to `CANCELLED`, which the seller can take back.
    pub fulfillment_cancelled: bool,
    /// Goods were sent: fulfillment `SENT`, `READY_FOR_PICKUP` or `PICKED_UP`, or `lineItemsSent` other than
    /// `NONE`.
    pub shipped: bool,
    /// Fulfillment `RETURNED`: everything came back and was refunded.
    pub returned: bool,
    /// Sent from Allegro's own warehouse: not our goods. A missing provider means ours.
    pub fulfilled_by_allegro: bool,
    /// Allegro's opaque mark of this state of the form; revisions have no order. At most
    /// [`REVISION_CHARACTERS_MAX`] characters.
    pub revision: Option<String>,
    /// When the buyer last changed the form.
    pub updated_at: Option<Timestamp>,
    /// The earliest `boughtAt` of the lines.
    pub bought_at: Option<Timestamp>,
    /// The lines in the form's order: 1 to [`LINES_MAX`], no line item id twice.
    pub lines: Vec<CopyLine>,
}

/// One line item of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyLine {
    /// The line item id, where one was given.
    pub id: Option<LineItemId>,
    /// The offer, where it is named.
    pub offer: Option<OfferId>,
    /// The seller's own key, `offer.external.id`; a blank one is none.
    pub external: Option<Sku>,
    /// Units sold: 1 to [`QUANTITY_MAX`].
    pub quantity: i64,
}

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where: a JSON pointer (RFC 6901) from the root of the form.
    pub pointer: String,
    /// What, for the person who sent it.
    pub message: String,
}

/// What is wrong with a form, in one sentence: the first problem.
#[must_use]
pub fn first_problem(problems: &[Problem]) -> String {
    problems.first().map_or_else(String::new, |problem| {
        format!("{}: {}", problem.pointer, problem.message)
    })
}

/// Reads an Allegro checkout form.
///
/// # Errors
/// Every problem at once, in the order of the rules; of more than [`PROBLEMS_MAX`] the last one says how many
/// are not listed.
pub fn parse_form(form: &Value, source: Source) -> Result<OrderCopy, Vec<Problem>> {
    let mut reader = Reader {
        source,
        problems: Vec::new(),
    };
    let root = reader.object(form, String::new());
    let copy = if reader.problems.is_empty() {
        reader.copy(&root)
    } else {
        None
    };
    match copy {
        Some(copy) if reader.problems.is_empty() => Ok(copy),
        _ => Err(bounded(reader.problems)),
    }
}

/// Reads a quantity: a whole number from 1 to [`QUANTITY_MAX`]. `2.0` is 2; text is never a number.
///
/// # Errors
/// What is wrong, for the person who sent it.
pub fn parse_quantity(value: &Value) -> Result<i64, String> {
    let refused = |what: &str| {
        Err(format!(
            "a quantity must be a whole number from 1 to {QUANTITY_MAX}, not {what}"
        ))
    };
    let Value::Number(number) = value else {
        return refused(kind(value));
    };
    let largest = QUANTITY_MAX as f64;
    // Within this range every whole float is exact.
    let quantity = number.as_i64().or_else(|| {
        number
            .as_f64()
            .filter(|float| float.fract() == 0.0 && (1.0..=largest).contains(float))
            .map(|float| float as i64)
    });
    match quantity {
        Some(quantity) if (1..=QUANTITY_MAX).contains(&quantity) => Ok(quantity),
        _ => refused(&one_line(&number.to_string(), QUOTED_CHARACTERS_MAX)),
    }
}

/// Keeps what is reported within bounds; further problems are counted.
fn bounded(mut problems: Vec<Problem>) -> Vec<Problem> {
    if problems.len() > PROBLEMS_MAX {
        let unlisted = problems.len() - (PROBLEMS_MAX - 1);
        problems.truncate(PROBLEMS_MAX - 1);
        problems.push(Problem {
            pointer: String::new(),
            message: format!("there are {unlisted} more problems"),
        });
    }
    problems
}

/// A word for the type of a value, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// An object of the form and where it stands. One that is absent or of the wrong type has no members, so that
/// what lies below it is absent.
struct Node<'form> {
    members: Option<&'form Map<String, Value>>,
    pointer: String,
}

impl<'form> Node<'form> {
    /// A member; `null` is as absent.
    fn get(&self, name: &str) -> Option<&'form Value> {
        self.members?.get(name).filter(|value| !value.is_null())
    }

    /// Where a member stands. The names asked for have no `~` or `/`, so nothing is escaped.
    fn pointer_to(&self, name: &str) -> String {
        format!("{}/{name}", self.pointer)
    }
}

/// Reads a form and collects what is wrong with it.
struct Reader {
    source: Source,
    problems: Vec<Problem>,
}

impl Reader {
    fn problem(&mut self, pointer: String, message: impl Into<String>) {
        self.problems.push(Problem {
            pointer,
            message: message.into(),
        });
    }

    fn object<'form>(&mut self, value: &'form Value, pointer: String) -> Node<'form> {
        let members = value.as_object();
        if members.is_none() {
            self.problem(pointer.clone(), format!("must be an object, not {}", kind(value)));
        }
        Node { members, pointer }
    }

    fn child<'form>(&mut self, node: &Node<'form>, name: &str) -> Node<'form> {
        let pointer = node.pointer_to(name);
        match node.get(name) {
            Some(value) => self.object(value, pointer),
            None => Node {
                members: None,
                pointer,
            },
        }
    }

    fn text<'form>(&mut self, node: &Node<'form>, name: &str) -> Option<&'form str> {
        let value = node.get(name)?;
        if value.as_str().is_none() {
            self.problem(
                node.pointer_to(name),
                format!("must be text, not {}", kind(value)),
            );
        }
        value.as_str()
    }

    /// A text that a rule of ids or names checks.
    fn checked<T>(
        &mut self,
        node: &Node<'_>,
        name: &str,
        parse: impl Fn(&str) -> Result<T, TextError>,
    ) -> Option<T> {
        let text = self.text(node, name)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(node.pointer_to(name), error.0);
                None
            }
        }
    }

    /// A moment. Of a pulled copy an unreadable one is as absent: nobody could mend it there.
    fn moment(&mut self, node: &Node<'_>, name: &str) -> Option<Timestamp> {
        let value = node.get(name)?;
        let moment = value
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok())
            .filter(|moment| MOMENT_SECONDS.contains(&moment.as_second()));
        if moment.is_none() && self.source == Source::Posted {
            let message = "must be a time with its zone as in RFC 3339, such as 2026-07-14T09:21:43.118Z";
            self.problem(node.pointer_to(name), message);
        }
        moment
    }

    fn copy(&mut self, root: &Node<'_>) -> Option<OrderCopy> {
        let order = self.order(root);
        let status = self.status(root);
        let fulfillment = self.child(root, "fulfillment");
        let fulfillment_status = self.text(&fulfillment, "status");
        let shipment = self.child(&fulfillment, "shipmentSummary");
        let sent = self.text(&shipment, "lineItemsSent");
        let provider = self.child(&fulfillment, "provider");
        let provider_id = self.text(&provider, "id");
        let revision = self.revision(root);
        let updated_at = self.moment(root, "updatedAt");
        let (lines, bought_at) = self.lines(root);
        Some(OrderCopy {
            order: order?,
            source: self.source,
            status: status?,
            fulfillment_cancelled: fulfillment_status == Some("CANCELLED"),
            shipped: matches!(
                fulfillment_status,
                Some("SENT" | "READY_FOR_PICKUP" | "PICKED_UP")
            ) || sent.is_some_and(|sent| sent != "NONE"),
            returned: fulfillment_status == Some("RETURNED"),
            fulfilled_by_allegro: provider_id == Some("ALLEGRO"),
            revision,
            updated_at,
            bought_at,
            lines,
        })
    }

    fn order(&mut self, root: &Node<'_>) -> Option<OrderId> {
        let own = self.checked(root, "id", OrderId::parse);
        let stored = self.checked(root, "allegro_order_id", OrderId::parse);
        if root.get("id").is_none() && root.get("allegro_order_id").is_none() {
            self.problem(root.pointer_to("id"), "the order's id is required");
        }
        if let (Some(own), Some(stored)) = (&own, &stored)
            && own != stored
        {
            let message = "differs from id: it is not clear which order this is";
            self.problem(root.pointer_to("allegro_order_id"), message);
        }
        own.or(stored)
    }

    fn status(&mut self, root: &Node<'_>) -> Option<FormStatus> {
        if root.get("status").is_none() {
            return Some(FormStatus::Ready);
        }
        let word = self.text(root, "status")?;
        let status = FormStatus::from_word(word);
        if status.is_none() {
            let word = one_line(word, QUOTED_CHARACTERS_MAX);
            let message = format!("must be one of {}, not {word:?}", FormStatus::KNOWN);
            self.problem(root.pointer_to("status"), message);
        }
        status
    }

    fn revision(&mut self, root: &Node<'_>) -> Option<String> {
        let revision = self.text(root, "revision")?;
        if revision.chars().any(char::is_control) {
            self.problem(root.pointer_to("revision"), "must not contain control characters");
            return None;
        }
        if revision.chars().count() > REVISION_CHARACTERS_MAX {
            let message = format!("must have at most {REVISION_CHARACTERS_MAX} characters");
            self.problem(root.pointer_to("revision"), message);
            return None;
        }
        Some(revision.to_owned()).filter(|revision| !revision.is_empty())
    }

    /// The lines that could be read, and the earliest moment at which one of them was bought.
    fn lines(&mut self, root: &Node<'_>) -> (Vec<CopyLine>, Option<Timestamp>) {
        let pointer = root.pointer_to("lineItems");
        let values = match root.get("lineItems") {
            Some(Value::Array(values)) if values.len() > LINES_MAX => {
                // They are not looked at, so that the work is bounded too.
                self.problem(
                    pointer,
                    format!("must have at most {LINES_MAX} lines, not {}", values.len()),
                );
                return (Vec::new(), None);
            }
            Some(Value::Array(values)) => values.as_slice(),
            Some(other) => {
                self.problem(pointer, format!("must be a list, not {}", kind(other)));
                return (Vec::new(), None);
            }
            None => &[],
        };
        if values.is_empty() {
            self.problem(pointer.clone(), "an order must have at least one line");
        }
        let mut lines = Vec::with_capacity(values.len());
        let mut bought_at: Option<Timestamp> = None;
        let mut ids = BTreeSet::new();
        for (index, value) in values.iter().enumerate() {
            let node = self.object(value, format!("{pointer}/{index}"));
            if node.members.is_none() {
                continue;
            }
            bought_at = bought_at.into_iter().chain(self.moment(&node, "boughtAt")).min();
            lines.extend(self.line(&node, &mut ids));
        }
        (lines, bought_at)
    }

    /// Reads one line; `ids` are those of the lines before it.
    fn line(&mut self, node: &Node<'_>, ids: &mut BTreeSet<LineItemId>) -> Option<CopyLine> {
        let id = self.checked(node, "id", LineItemId::parse);
        if let Some(id) = &id
            && !ids.insert(id.clone())
        {
            self.problem(
                node.pointer_to("id"),
                format!("the line item id {id} stands on two lines"),
            );
        }
        let offer = self.child(node, "offer");
        let offer_id = self.offer_id(&offer);
        let external = self.child(&offer, "external");
        let external = self.external_id(&external);
        let quantity = self.quantity(node);
        Some(CopyLine {
            id,
            offer: offer_id,
            external,
            quantity: quantity?,
        })
    }

    /// An offer's id. Allegro writes it as text; it is a whole number, so a number loses nothing.
    fn offer_id(&mut self, offer: &Node<'_>) -> Option<OfferId> {
        if let Some(number) = offer.get("id").and_then(Value::as_u64) {
            return OfferId::parse(&number.to_string()).ok();
        }
        self.checked(offer, "id", OfferId::parse)
    }

    /// The seller's key. A number is refused: leading zeros would have been lost.
    fn external_id(&mut self, external: &Node<'_>) -> Option<Sku> {
        let text = self.text(external, "id")?;
        if text.trim().is_empty() {
            return None;
        }
        self.checked(external, "id", Sku::parse)
    }

    fn quantity(&mut self, node: &Node<'_>) -> Option<i64> {
        let Some(value) = node.get("quantity") else {
            self.problem(node.pointer_to("quantity"), "a quantity is required");
            return None;
        };
        match parse_quantity(value) {
            Ok(quantity) => Some(quantity),
            Err(message) => {
                self.problem(node.pointer_to("quantity"), message);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ONE_LINE: &str = include_str!("../tests/forms/one_line.json");
    const FOUR_LINES: &str = include_str!("../tests/forms/four_lines.json");
    const SOURCES: [Source; 4] = [Source::Posted, Source::Listed, Source::Searched, Source::Live];

    fn one_line() -> Value {
        serde_json::from_str(ONE_LINE).unwrap()
    }

    fn four_lines() -> Value {
        serde_json::from_str(FOUR_LINES).unwrap()
    }

    /// The form with one line, with the value at a pointer replaced.
    fn with(pointer: &str, value: Value) -> Value {
        let mut form = one_line();
        *form.pointer_mut(pointer).unwrap() = value;
        form
    }

    fn parsed(form: &Value) -> OrderCopy {
        parse_form(form, Source::Posted).unwrap()
    }

    fn pointers(form: &Value) -> Vec<String> {
        let problems = parse_form(form, Source::Posted).unwrap_err();
        problems.into_iter().map(|problem| problem.pointer).collect()
    }

    fn moment(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_form_with_one_line_is_read() {
        let expected = OrderCopy {
            order: OrderId::parse("29738e61-7f6a-11f1-ac45-09db60ede9d6").unwrap(),
            source: Source::Posted,
            status: FormStatus::Ready,
            fulfillment_cancelled: false,
            shipped: false,
            returned: false,
            fulfilled_by_allegro: false,
            revision: Some("819b5836".to_owned()),
            updated_at: moment("2026-07-14T09:21:43.118Z"),
            bought_at: moment("2026-07-14T09:20:58.402Z"),
            lines: vec![CopyLine {
                id: Some(LineItemId::parse("62ae358b-8f65-11f1-9c77-bedf604a2e2b").unwrap()),
                offer: Some(OfferId::parse("13445358955").unwrap()),
                external: Some(Sku::parse("KUB-330-GRA").unwrap()),
                quantity: 2,
            }],
        };
        assert_eq!(parsed(&one_line()), expected);
    }

    #[test]
    fn a_form_may_have_one_offer_on_two_lines_and_a_line_without_external_id() {
        let copy = parsed(&four_lines());
        let lines: Vec<(Option<&str>, i64)> = copy
            .lines
            .iter()
            .map(|line| (line.external.as_ref().map(Sku::as_str), line.quantity))
            .collect();
        let expected = [
            (Some("CR1/41"), 1),
            (Some("CR1/41"), 3),
            (None, 1),
            (Some("ZEST-KONS-2PAD"), 1),
        ];
        assert_eq!(lines, expected);
        assert_eq!(copy.lines[0].offer, copy.lines[1].offer);
    }

    #[test]
    fn a_copy_survives_being_stored_as_json() {
        let copy = parsed(&four_lines());
        let text = serde_json::to_string(&copy).unwrap();
        assert_eq!(serde_json::from_str::<OrderCopy>(&text).unwrap(), copy);
    }

    #[test]
    fn a_quantity_is_a_whole_number_from_1_to_1_000_000() {
        let good = [
            ("1", 1),
            ("2.0", 2),
            ("1000000", 1_000_000),
            ("1e6", 1_000_000),
            ("2e0", 2),
        ];
        for (text, expected) in good {
            let value = serde_json::from_str(text).unwrap();
            assert_eq!(parse_quantity(&value), Ok(expected), "{text}");
        }
        let bad = [
            "0",
            "-0.0",
            "-1",
            "1.5",
            "0.999",
            "1000001",
            "1000000.5",
            "1e9",
            "9223372036854775807",
            "18446744073709551615",
            "1e308",
            "-1e308",
            "1e-300",
            "\"3\"",
            "\"\"",
            "null",
            "true",
            "[1]",
            "{}",
        ];
        for text in bad {
            let value = serde_json::from_str(text).unwrap();
            let message = parse_quantity(&value).unwrap_err();
            assert!(
                message.starts_with("a quantity must be a whole number from 1 to 1000000, not "),
                "{text}"
            );
            assert_eq!(
                pointers(&with("/lineItems/0/quantity", value)),
                ["/lineItems/0/quantity"],
                "{text}"
            );
        }
    }

    #[test]
    fn a_message_about_a_quantity_names_what_was_sent() {
        assert!(parse_quantity(&json!("3")).unwrap_err().ends_with("not text"));
        assert!(parse_quantity(&json!(1.5)).unwrap_err().ends_with("not 1.5"));
        assert!(
            parse_quantity(&json!(i64::MAX))
                .unwrap_err()
                .ends_with("not 9223372036854775807")
        );
    }

    #[test]
    fn a_form_that_is_no_object_is_one_problem() {
        for form in [json!(null), json!(1), json!("x"), json!([]), json!(true)] {
            assert_eq!(pointers(&form), [""], "{form}");
        }
    }

    #[test]
    fn an_empty_form_lacks_an_id_and_lines() {
        assert_eq!(pointers(&json!({})), ["/id", "/lineItems"]);
        assert_eq!(
            pointers(&json!({"id": null, "lineItems": null})),
            ["/id", "/lineItems"]
        );
    }

    #[test]
    fn a_row_of_metadata_only_is_a_problem_and_not_an_order() {
        let row = json!({"db_id": "x", "token_id": "y", "allegro_order_id": "json-null-1"});
        assert_eq!(pointers(&row), ["/lineItems"]);
    }

    #[test]
    fn a_row_without_an_id_is_named_by_allegro_order_id() {
        let mut row = with("/id", Value::Null);
        row["allegro_order_id"] = json!("events-shape-1");
        assert_eq!(parsed(&row).order.as_str(), "events-shape-1");
    }

    #[test]
    fn two_ids_that_differ_are_a_problem_and_equal_ones_are_not() {
        let mut row = with("/id", json!("one"));
        row["allegro_order_id"] = json!("other");
        assert_eq!(pointers(&row), ["/allegro_order_id"]);
        row["allegro_order_id"] = json!("one");
        assert_eq!(parsed(&row).order.as_str(), "one");
    }

    #[test]
    fn an_id_that_is_no_id_is_one_problem() {
        for id in [
            json!(""),
            json!("a/b"),
            json!(7),
            json!(["x"]),
            json!("x".repeat(4096)),
            json!("\u{202e}x"),
        ] {
            assert_eq!(pointers(&with("/id", id.clone())), ["/id"], "{id}");
            assert_eq!(
                pointers(&with("/lineItems/0/id", id.clone())),
                ["/lineItems/0/id"],
                "{id}"
            );
        }
    }

    #[test]
    fn no_status_means_ready_and_an_unknown_one_is_a_problem_that_names_the_known() {
        assert_eq!(parsed(&with("/status", Value::Null)).status, FormStatus::Ready);
        let words = [
            ("BOUGHT", FormStatus::Bought),
            ("FILLED_IN", FormStatus::FilledIn),
            ("READY_FOR_PROCESSING", FormStatus::Ready),
            ("CANCELLED", FormStatus::Cancelled),
        ];
        for (word, status) in words {
            assert_eq!(parsed(&with("/status", json!(word))).status, status);
            assert!(FormStatus::KNOWN.contains(word));
        }
        for source in SOURCES {
            let problems = parse_form(&with("/status", json!("cancelled\0")), source).unwrap_err();
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].pointer, "/status");
            assert!(
                problems[0].message.contains(FormStatus::KNOWN),
                "{}",
                problems[0].message
            );
        }
        assert_eq!(pointers(&with("/status", json!(1))), ["/status"]);
    }

    #[test]
    fn shipped_is_sent_or_ready_for_pickup_or_picked_up_or_any_line_sent() {
        for word in ["SENT", "READY_FOR_PICKUP", "PICKED_UP"] {
            assert!(
                parsed(&with("/fulfillment/status", json!(word))).shipped,
                "{word}"
            );
        }
        for word in [
            "NEW",
            "PROCESSING",
            "READY_FOR_SHIPMENT",
            "SUSPENDED",
            "CANCELLED",
            "WHAT_IS_THIS",
        ] {
            assert!(
                !parsed(&with("/fulfillment/status", json!(word))).shipped,
                "{word}"
            );
        }
        for (sent, shipped) in [
            (json!("SOME"), true),
            (json!("ALL"), true),
            (json!("NONE"), false),
            (json!(null), false),
        ] {
            let form = with("/fulfillment/shipmentSummary/lineItemsSent", sent);
            assert_eq!(parsed(&form).shipped, shipped);
        }
    }

    #[test]
    fn fulfillment_tells_cancelled_and_returned() {
        let cancelled = parsed(&with("/fulfillment/status", json!("CANCELLED")));
        assert!(cancelled.fulfillment_cancelled && !cancelled.returned);
        assert_eq!(cancelled.status, FormStatus::Ready);
        let returned = parsed(&with("/fulfillment/status", json!("RETURNED")));
        assert!(returned.returned && !returned.fulfillment_cancelled);
    }

    #[test]
    fn a_missing_provider_means_ours() {
        assert!(parsed(&with("/fulfillment/provider/id", json!("ALLEGRO"))).fulfilled_by_allegro);
        for provider in [
            json!(null),
            json!({}),
            json!({"id": null}),
            json!({"id": "SELLER"}),
        ] {
            assert!(!parsed(&with("/fulfillment/provider", provider)).fulfilled_by_allegro);
        }
        assert!(!parsed(&with("/fulfillment", Value::Null)).fulfilled_by_allegro);
    }

    #[test]
    fn an_external_id_that_is_absent_or_blank_is_none() {
        let blanks = [
            json!(null),
            json!({}),
            json!({"id": null}),
            json!({"id": ""}),
            json!({"id": " \t"}),
        ];
        for external in blanks {
            let copy = parsed(&with("/lineItems/0/offer/external", external.clone()));
            assert_eq!(copy.lines[0].external, None, "{external}");
        }
        let trimmed = parsed(&with("/lineItems/0/offer/external/id", json!(" A ")));
        assert_eq!(trimmed.lines[0].external, Some(Sku::parse("A").unwrap()));
    }

    #[test]
    fn an_external_id_with_control_characters_or_too_long_or_no_text_is_a_problem() {
        for id in [
            json!("a\0b"),
            json!("\0"),
            json!("a\nb"),
            json!("x".repeat(4096)),
            json!(42),
            json!([]),
        ] {
            let form = with("/lineItems/0/offer/external/id", id.clone());
            assert_eq!(pointers(&form), ["/lineItems/0/offer/external/id"], "{id}");
        }
    }

    #[test]
    fn an_offer_id_may_be_text_or_a_whole_number_or_absent() {
        let offer = |id: Value| parsed(&with("/lineItems/0/offer/id", id)).lines[0].offer.clone();
        assert_eq!(offer(json!(13_445_358_955_u64)), offer(json!("13445358955")));
        assert_eq!(offer(Value::Null), None);
        assert_eq!(
            parsed(&with("/lineItems/0/offer", Value::Null)).lines[0].offer,
            None
        );
        for bad in [json!(1.5), json!(-1), json!(""), json!(true), json!({})] {
            let form = with("/lineItems/0/offer/id", bad.clone());
            assert_eq!(pointers(&form), ["/lineItems/0/offer/id"], "{bad}");
        }
    }

    #[test]
    fn a_line_may_lack_an_id_but_no_id_may_stand_twice() {
        assert_eq!(parsed(&with("/lineItems/0/id", Value::Null)).lines[0].id, None);
        let mut form = four_lines();
        form["lineItems"][3]["id"] = form["lineItems"][1]["id"].clone();
        assert_eq!(pointers(&form), ["/lineItems/3/id"]);
        form["lineItems"][1]["quantity"] = json!(0);
        assert_eq!(pointers(&form), ["/lineItems/1/quantity", "/lineItems/3/id"]);
    }

    #[test]
    fn an_order_has_one_to_a_thousand_lines() {
        assert_eq!(pointers(&with("/lineItems", json!([]))), ["/lineItems"]);
        assert_eq!(pointers(&with("/lineItems", json!({"0": {}}))), ["/lineItems"]);
        let lines = |count: usize| vec![json!({"quantity": QUANTITY_MAX}); count];
        assert_eq!(
            parsed(&with("/lineItems", json!(lines(LINES_MAX)))).lines.len(),
            LINES_MAX
        );
        assert_eq!(
            pointers(&with("/lineItems", json!(lines(LINES_MAX + 1)))),
            ["/lineItems"]
        );
    }

    #[test]
    fn an_unreadable_time_is_a_problem_of_a_posted_form_and_nothing_of_a_pulled_one() {
        let bad = [
            json!("yesterday"),
            json!("2026-07-14T09:21:43"),
            json!("2026-07-14"),
            json!("9999-12-31T23:59:59Z"),
            json!("1901-01-01T00:00:00Z"),
            json!(""),
            json!(0),
            json!({}),
        ];
        for text in bad {
            for pointer in ["/updatedAt", "/lineItems/0/boughtAt"] {
                let form = with(pointer, text.clone());
                assert_eq!(pointers(&form), [pointer], "{text}");
                for source in [Source::Listed, Source::Searched, Source::Live] {
                    let copy = parse_form(&form, source).unwrap();
                    let read = if pointer == "/updatedAt" {
                        copy.updated_at
                    } else {
                        copy.bought_at
                    };
                    assert_eq!(read, None, "{text}");
                }
            }
        }
        let offset = parsed(&with("/updatedAt", json!("2026-07-14T11:21:43.118+02:00")));
        assert_eq!(offset.updated_at, moment("2026-07-14T09:21:43.118Z"));
        let year_9998 = moment("9998-12-31T23:59:59Z");
        assert_eq!(
            parsed(&with("/updatedAt", json!("9998-12-31T23:59:59Z"))).updated_at,
            year_9998
        );
    }

    #[test]
    fn the_earliest_line_says_when_the_order_was_bought() {
        let mut form = four_lines();
        form["lineItems"][0]["boughtAt"] = Value::Null;
        form["lineItems"][2]["boughtAt"] = json!("2026-07-15T06:00:00Z");
        assert_eq!(parsed(&form).bought_at, moment("2026-07-15T06:00:00Z"));
    }

    #[test]
    fn a_revision_is_short_text_and_is_never_cut() {
        assert_eq!(parsed(&with("/revision", Value::Null)).revision, None);
        assert_eq!(parsed(&with("/revision", json!(""))).revision, None);
        let longest = "ż".repeat(REVISION_CHARACTERS_MAX);
        assert_eq!(parsed(&with("/revision", json!(longest))).revision, Some(longest));
        for bad in [
            json!("ż".repeat(REVISION_CHARACTERS_MAX + 1)),
            json!("a\0"),
            json!(819),
        ] {
            assert_eq!(pointers(&with("/revision", bad.clone())), ["/revision"], "{bad}");
        }
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let form = json!({
            "id": "a/b",
            "status": "NOPE",
            "fulfillment": "SENT",
            "revision": [],
            "updatedAt": "soon",
            "lineItems": [
                null,
                {"offer": "x", "quantity": 1},
                {"offer": {"external": "x"}},
                {"id": "1", "offer": {"id": {}}, "quantity": "2", "boughtAt": 5},
            ],
        });
        let expected = [
            "/id",
            "/status",
            "/fulfillment",
            "/revision",
            "/updatedAt",
            "/lineItems/0",
            "/lineItems/1/offer",
            "/lineItems/2/offer/external",
            "/lineItems/2/quantity",
            "/lineItems/3/boughtAt",
            "/lineItems/3/offer/id",
            "/lineItems/3/quantity",
        ];
        assert_eq!(pointers(&form), expected);
    }

    #[test]
    fn of_very_many_problems_the_last_one_counts_the_rest() {
        let form = with("/lineItems", json!(vec![json!({"quantity": 0}); 250]));
        let problems = parse_form(&form, Source::Posted).unwrap_err();
        assert_eq!(problems.len(), PROBLEMS_MAX);
        assert_eq!(problems[PROBLEMS_MAX - 1].message, "there are 151 more problems");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[A-Z_]{0,12}".prop_map(Value::from),
        ];
        let names = prop_oneof![
            any::<String>(),
            prop::sample::select(vec![
                "id",
                "status",
                "lineItems",
                "offer",
                "external",
                "quantity",
                "fulfillment",
                "provider",
                "shipmentSummary",
                "lineItemsSent",
                "revision",
                "updatedAt",
                "boughtAt",
                "allegro_order_id",
            ])
            .prop_map(str::to_owned),
        ];
        leaf.prop_recursive(5, 64, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(names.clone(), inner, 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn any_source() -> impl Strategy<Value = Source> {
        prop::sample::select(SOURCES.to_vec())
    }

    /// Where every value of a form stands, but the form itself.
    fn places(value: &Value, at: &str, places: &mut Vec<String>) {
        let mut below = |name: &str, value: &Value| {
            let pointer = format!("{at}/{name}");
            places.push(pointer.clone());
            self::places(value, &pointer, places);
        };
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| below(name, value)),
            Value::Array(values) => {
                values
                    .iter()
                    .enumerate()
                    .for_each(|(index, value)| below(&index.to_string(), value));
            }
            _ => {}
        }
    }

    fn assert_bounded(result: &Result<OrderCopy, Vec<Problem>>) {
        match result {
            Ok(copy) => {
                assert!((1..=LINES_MAX).contains(&copy.lines.len()));
                assert!(
                    copy.lines
                        .iter()
                        .all(|line| (1..=QUANTITY_MAX).contains(&line.quantity))
                );
                let ids: Vec<_> = copy.lines.iter().filter_map(|line| line.id.as_ref()).collect();
                assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            }
            Err(problems) => {
                assert!((1..=PROBLEMS_MAX).contains(&problems.len()));
                assert!(problems.iter().all(|problem| problem.message.len() < 500));
            }
        }
    }

    /// Adds a field that nobody knows to every object.
    fn add_unknown(value: &mut Value, unknown: &Value) {
        match value {
            Value::Object(members) => {
                members.values_mut().for_each(|value| add_unknown(value, unknown));
                members.insert("unknown/~field".to_owned(), unknown.clone());
            }
            Value::Array(values) => values.iter_mut().for_each(|value| add_unknown(value, unknown)),
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn arbitrary_json_never_panics(form in any_json(), source in any_source()) {
            assert_bounded(&parse_form(&form, source));
        }

        #[test]
        fn a_form_with_arbitrary_values_put_in_never_panics(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any_json()), 1..6),
            source in any_source(),
        ) {
            let mut form = four_lines();
            for (index, value) in changes {
                let mut all = Vec::new();
                places(&form, "", &mut all);
                // A pointer that has to be escaped finds nothing, and then nothing is changed.
                if let Some(place) = form.pointer_mut(index.get(&all[..]).as_str()) {
                    *place = value;
                }
            }
            assert_bounded(&parse_form(&form, source));
        }

        #[test]
        fn the_order_of_fields_and_unknown_fields_change_nothing(
            members in Just(four_lines().as_object().unwrap().clone().into_iter().collect::<Vec<_>>())
                .prop_shuffle(),
            unknown in any_json(), source in any_source(),
        ) {
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, mut value)| {
                    add_unknown(&mut value, &unknown);
                    format!("{}:{value}", json!(name))
                })
                .collect();
            let form: Value = serde_json::from_str(&format!("{{{}}}", members.join(","))).unwrap();
            prop_assert_eq!(parse_form(&form, source), parse_form(&four_lines(), source));
        }

        #[test]
        fn a_quantity_is_what_was_written(quantity in 1..=QUANTITY_MAX) {
            prop_assert_eq!(parse_quantity(&json!(quantity)), Ok(quantity));
            prop_assert_eq!(parse_quantity(&json!(quantity as f64)), Ok(quantity));
            prop_assert!(parse_quantity(&json!(quantity as f64 + 0.5)).is_err());
        }
    }
}
