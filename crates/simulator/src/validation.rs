//! The framework's validation: what it coerces, and the list it answers with when it cannot.

use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::Answer;
use crate::dates::{self, AwareDate};
use crate::request::Request;

/// Why an input was refused, in the framework's words.
pub(crate) struct Refusal {
    kind: &'static str,
    message: String,
    context: Option<Value>,
}

impl Refusal {
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            context: None,
        }
    }

    fn with_context(mut self, context: Value) -> Self {
        self.context = Some(context);
        self
    }

    pub(crate) fn missing() -> Self {
        Self::new("missing", "Field required")
    }

    /// One entry of the `detail` list.
    pub(crate) fn entry(self, location: Value, input: Value) -> Value {
        let mut entry = json!({"type": self.kind, "loc": location, "msg": self.message, "input": input});
        if let Some(context) = self.context {
            entry["ctx"] = context;
        }
        entry["url"] = Value::from(format!("https://errors.pydantic.dev/2.11/v/{}", self.kind));
        entry
    }
}

/// The answer to a request with refused inputs.
pub(crate) fn unprocessable(entries: Vec<Value>) -> Answer {
    Answer::json(StatusCode::UNPROCESSABLE_ENTITY, &json!({ "detail": entries }))
}

/// Reads query parameters and gathers every refusal, since the framework reports all of them at once.
pub(crate) struct Inputs<'a> {
    request: &'a Request,
    entries: Vec<Value>,
}

impl<'a> Inputs<'a> {
    pub(crate) fn new(request: &'a Request) -> Self {
        Self {
            request,
            entries: Vec::new(),
        }
    }

    pub(crate) fn refuse(&mut self, entry: Value) {
        self.entries.push(entry);
    }

    /// The answer 422 if anything was refused.
    pub(crate) fn finish(self) -> Result<(), Answer> {
        if self.entries.is_empty() {
            Ok(())
        } else {
            Err(unprocessable(self.entries))
        }
    }

    fn read<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Refusal>) -> Option<T> {
        let text = self.request.query(name)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.refuse(refusal.entry(json!(["query", name]), Value::from(text)));
                None
            }
        }
    }

    fn require(&mut self, name: &str) {
        if self.request.query(name).is_none() {
            self.refuse(Refusal::missing().entry(json!(["query", name]), Value::Null));
        }
    }

    /// The account of the call. The nil id only stands in until the refusal is answered.
    pub(crate) fn token_id(&mut self) -> Uuid {
        self.require("token_id");
        self.read("token_id", parse_uuid).unwrap_or(Uuid::nil())
    }

    pub(crate) fn text_with_minimum(&mut self, name: &str, characters_min: usize) -> String {
        self.require(name);
        self.read(name, |text| {
            if text.chars().count() >= characters_min {
                return Ok(text.to_owned());
            }
            let message = format!("String should have at least {characters_min} characters");
            Err(Refusal::new("string_too_short", message).with_context(json!({"min_length": characters_min})))
        })
        .unwrap_or_default()
    }

    pub(crate) fn integer(&mut self, name: &str, default: i128, min: i128, max: Option<i128>) -> i128 {
        self.read(name, |text| {
            let value = parse_integer(text)?;
            if value < min {
                let message = format!("Input should be greater than or equal to {min}");
                return Err(
                    Refusal::new("greater_than_equal", message).with_context(json!({"ge": min as i64}))
                );
            }
            match max {
                Some(max) if value > max => {
                    let message = format!("Input should be less than or equal to {max}");
                    Err(Refusal::new("less_than_equal", message).with_context(json!({"le": max as i64})))
                }
                _ => Ok(value),
            }
        })
        .unwrap_or(default)
    }

    /// An integer that the service clamps by itself instead of refusing.
    pub(crate) fn integer_any(&mut self, name: &str, default: i128) -> i128 {
        self.read(name, parse_integer).unwrap_or(default)
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.read(name, |text| boolean_from(&Value::from(text)))
    }

    pub(crate) fn date(&mut self, name: &str) -> Option<AwareDate> {
        self.read(name, |text| {
            dates::parse(text).map_err(|reason| {
                let message = format!("Input should be a valid datetime or date, {reason}");
                Refusal::new("datetime_from_date_parsing", message).with_context(json!({ "error": reason }))
            })
        })
    }
}

pub(crate) fn parse_uuid(text: &str) -> Result<Uuid, Refusal> {
    Uuid::parse_str(text).map_err(|error| {
        let reason = uuid_reason(text, &error);
        Refusal::new("uuid_parsing", format!("Input should be a valid UUID, {reason}"))
            .with_context(json!({ "error": reason }))
    })
}

/// The service's validator is built on an older version of the same library, with other words for the usual slips.
fn uuid_reason(text: &str, error: &uuid::Error) -> String {
    let is_wrong = |sign: char| !sign.is_ascii_hexdigit() && sign != '-';
    if let Some((index, sign)) = text.char_indices().find(|(_, sign)| is_wrong(*sign)) {
        return format!(
            "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], \
             found `{sign}` at {}",
            index + 1
        );
    }
    if !text.contains('-') {
        return format!(
            "invalid length: expected length 32 for simple format, found {}",
            text.len()
        );
    }
    error.to_string()
}

fn parse_integer(text: &str) -> Result<i128, Refusal> {
    text.trim().parse().map_err(|_| {
        Refusal::new(
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        )
    })
}

/// The framework's lax boolean.
pub(crate) fn boolean_from(value: &Value) -> Result<bool, Refusal> {
    let parsing = || {
        Refusal::new(
            "bool_parsing",
            "Input should be a valid boolean, unable to interpret input",
        )
    };
    let kind = || Refusal::new("bool_type", "Input should be a valid boolean");
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Ok(false),
            Some(1.0) => Ok(true),
            Some(value) if value.fract() != 0.0 => Err(kind()),
            _ => Err(parsing()),
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
            "0" | "off" | "f" | "false" | "n" | "no" => Ok(false),
            _ => Err(parsing()),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => Err(kind()),
    }
}

/// The JSON body of a request. A body that is not JSON is refused before the caller is even identified.
pub(crate) enum Body {
    Absent,
    Json(Value),
    /// Sent under another content type, and therefore seen as one text.
    Text(String),
}

impl Body {
    pub(crate) fn read(request: &Request) -> Result<Self, Answer> {
        if request.body.is_empty() {
            return Ok(Self::Absent);
        }
        if !is_json(request.header("content-type")) {
            return Ok(Self::Text(String::from_utf8_lossy(&request.body).into_owned()));
        }
        match serde_json::from_slice(&request.body) {
            Ok(Value::Null) => Ok(Self::Absent),
            Ok(value) => Ok(Self::Json(value)),
            Err(error) => Err(unprocessable(vec![json!({
                "type": "json_invalid",
                "loc": ["body", error.column().saturating_sub(1)],
                "msg": "JSON decode error",
                "input": {},
                "ctx": {"error": "Expecting value"},
            })])),
        }
    }
}

fn is_json(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else {
        return true;
    };
    let kind = content_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The widest range a filter can mean, for dates beyond what a timestamp can hold.
pub(crate) fn is_within(at: Option<Timestamp>, from: Option<&AwareDate>, to: Option<&AwareDate>) -> bool {
    if from.is_none() && to.is_none() {
        return true;
    }
    let Some(at) = at else { return false };
    from.is_none_or(|from| at >= from.instant) && to.is_none_or(|to| at <= to.instant)
}
