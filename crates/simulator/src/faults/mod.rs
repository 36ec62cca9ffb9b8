//! Faults on demand: what can go wrong, when it does, and what it does to an answer.

mod alter;
mod board;

pub(crate) use alter::{altered, body_of, refusal};
pub(crate) use board::{FaultBoard, Leak, Plan};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::limits::FAULT_RULES_MAX;
use crate::routes::Endpoint;

/// A set of faults: what a faults file holds, and what `PUT /_simulator/faults` takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// What the service's database is doing.
    pub database: DatabaseFault,
    /// Whether lists and searches report every flag as false, as the service does when it cannot read them.
    pub lists_say_false: bool,
    /// The connection leak of lists and searches; absent means that it does not leak.
    pub connection_leak: Option<ConnectionLeak>,
    /// The rules, tried in order for every call.
    #[serde(rename = "rule")]
    pub rules: Vec<FaultRule>,
}

/// Why a set of faults was refused.
#[derive(Debug, thiserror::Error)]
pub enum FaultsError {
    /// The file is not TOML.
    #[error("the faults file cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// The values are not of the right shape.
    #[error("the faults cannot be read: {0}")]
    Shape(#[from] serde_json::Error),
    /// A rule has a key that means nothing.
    #[error("rule {0}: there is no key \"{1}\"")]
    UnknownKey(usize, String),
    /// Too many rules.
    #[error("there are {0} rules; the simulator takes at most {FAULT_RULES_MAX}")]
    TooManyRules(usize),
    /// A probability outside 0 to 1.
    #[error("rule {0}: a probability lies between 0 and 1")]
    Probability(usize),
}

impl Faults {
    /// Reads a faults file.
    ///
    /// # Errors
    ///
    /// When the text is not TOML of the right shape, or a bound is passed.
    pub fn from_toml(text: &str) -> Result<Self, FaultsError> {
        Self::from_json(toml::from_str(text)?)
    }

    /// Reads a set of faults from JSON, as the control interface takes it.
    ///
    /// # Errors
    ///
    /// When the value has not the right shape, or a bound is passed.
    pub fn from_json(value: Value) -> Result<Self, FaultsError> {
        let rules = value
            .get("rule")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let faults: Self = serde_json::from_value(value)?;
        faults.check()?;
        for (index, (given, rule)) in rules.iter().zip(&faults.rules).enumerate() {
            refuse_unknown_keys(index, given, rule)?;
        }
        Ok(faults)
    }

    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), FaultsError> {
        if self.rules.len() > FAULT_RULES_MAX {
            return Err(FaultsError::TooManyRules(self.rules.len()));
        }
        match self
            .rules
            .iter()
            .position(|rule| !(0.0..=1.0).contains(&rule.probability))
        {
            Some(index) => Err(FaultsError::Probability(index)),
            None => Ok(()),
        }
    }
}

/// A misspelt key would otherwise turn a rare fault into a constant one, without a word.
fn refuse_unknown_keys(index: usize, given: &Value, rule: &FaultRule) -> Result<(), FaultsError> {
    let understood = serde_json::to_value(rule)?;
    let keys = given.as_object().into_iter().flat_map(|object| object.keys());
    match keys
        .into_iter()
        .find(|key| understood.get(key.as_str()).is_none())
    {
        Some(key) => Err(FaultsError::UnknownKey(index, key.clone())),
        None => Ok(()),
    }
}

/// What the service's database is doing, and in which window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseFault {
    /// The state within the window; outside it the database is up.
    pub state: DatabaseState,
    /// The window's start, counted from when the faults were set.
    pub from_ms: u64,
    /// The window's end; open if absent.
    pub until_ms: Option<u64>,
}

/// What the service's database is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseState {
    /// It answers.
    #[default]
    Up,
    /// It refuses connections.
    Down,
    /// It holds connections and says nothing, which blocks the whole service.
    Frozen,
}

/// The connection leak: after some lists the service stands still, then answers wrongly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionLeak {
    /// The list or search call that finds no connection left.
    pub stuck_at_call: u32,
    /// How long every call then waits, with the whole service blocked.
    pub hang_ms: u64,
    /// How many calls hang before the connections are freed; a token list frees them at once.
    pub hanging_calls: u32,
}

impl Default for ConnectionLeak {
    fn default() -> Self {
        Self {
            stuck_at_call: 29,
            hang_ms: 30_000,
            hanging_calls: 3,
        }
    }
}

/// One fault, and which calls it strikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultRule {
    /// Only calls of this endpoint; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Only calls for this account; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<Uuid>,
    /// Only calls that name this order; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// How often a matching call is struck, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// Matching calls let through before the rule begins.
    #[serde(default)]
    pub after_calls: u64,
    /// Calls struck before the rule ends; no end if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// The start of an outage window, counted from when the faults were set.
    #[serde(default)]
    pub from_ms: u64,
    /// The end of an outage window; open if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// For a fault that replaces the answer: whether the call takes effect all the same.
    #[serde(default)]
    pub applied: bool,
    /// What happens.
    #[serde(flatten)]
    pub fault: Fault,
}

impl FaultRule {
    /// A fault that strikes every call, as a base to narrow down.
    pub fn always(fault: Fault) -> Self {
        Self {
            endpoint: None,
            token_id: None,
            order_id: None,
            probability: always(),
            after_calls: 0,
            calls: None,
            from_ms: 0,
            until_ms: None,
            applied: false,
            fault,
        }
    }
}

fn always() -> f64 {
    1.0
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The call waits before it takes effect. A caller that gives up meanwhile does not stop it.
    Latency {
        /// The part of the wait that is always the same.
        #[serde(default)]
        fixed_ms: u64,
        /// The most that is added at random.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// The call takes effect at once, and the answer waits.
    AnswerDelayed {
        /// The part of the wait that is always the same.
        #[serde(default)]
        fixed_ms: u64,
        /// The most that is added at random.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// 500, as the server answers when the application failed.
    InternalError,
    /// 502 with a page of HTML, as a proxy answers.
    BadGateway,
    /// 503 with a page of HTML, as a proxy answers.
    Unavailable,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404, in the words the service uses when it cannot read its tokens.
    NotFound,
    /// 429 with `Retry-After`.
    TooManyRequests {
        /// The seconds to wait, as told to the caller.
        #[serde(default)]
        retry_after_s: u64,
    },
    /// The connection is closed without an answer, and without an effect.
    ConnectionClosed,
    /// The call takes effect, and the connection is closed without an answer.
    AnswerLost,
    /// The call takes effect, and the connection is closed in the middle of the answer.
    AnswerCut,
    /// The answer's body is not JSON.
    GarbageBody,
    /// The answer's body is the first half of the JSON.
    TruncatedBody,
    /// The answer speaks of another order.
    WrongOrderId,
    /// The answer shows the opposite of every flag.
    WrongFlag,
    /// 200 with `success: false` and without an effect.
    SuccessFalse,
    /// The answer arrives in small pieces.
    SlowBody {
        /// The size of a piece.
        #[serde(default = "slow_body_chunk_bytes")]
        chunk_bytes: usize,
        /// The wait before each piece.
        #[serde(default = "slow_body_wait_ms")]
        wait_ms: u64,
    },
    /// The answer's body does not end.
    EndlessBody,
    /// The caller is sent elsewhere.
    Redirect {
        /// Where to.
        location: String,
    },
    /// After the call, the order's stock flag is turned over behind the caller's back.
    FlagFlipped,
    /// A page of the list begins so many rows later, which hides them, or earlier, which shows some of them twice, as
    /// when rows come and go while it is read.
    PageSlipped {
        /// How many rows; negative: earlier.
        rows: i32,
    },
    /// Allegro fails behind a mended read of one order, or behind the offers endpoints.
    Allegro {
        /// How it fails.
        failure: AllegroFailure,
    },
}

impl Fault {
    /// Whether a call can suffer only one fault of this sort: those that replace or change the answer.
    pub(crate) fn is_exclusive(&self) -> bool {
        !matches!(
            self,
            Self::Latency { .. }
                | Self::AnswerDelayed { .. }
                | Self::FlagFlipped
                | Self::PageSlipped { .. }
                | Self::Allegro { .. }
        )
    }
}

fn slow_body_chunk_bytes() -> usize {
    16
}

fn slow_body_wait_ms() -> u64 {
    50
}

/// How Allegro fails behind the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllegroFailure {
    /// It answers 401.
    Unauthorized,
    /// It answers 403.
    Forbidden,
    /// It answers 404.
    NotFound,
    /// It answers 429.
    TooManyRequests,
    /// It answers 500.
    InternalError,
    /// It answers 503.
    Unavailable,
    /// It does not answer in time. Add a latency rule for the wait itself.
    TimedOut,
    /// It cannot be reached.
    Refused,
    /// It closes the connection in the middle.
    Dropped,
    /// It answers something that is not JSON.
    BadJson,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_refused() {
        let text = "[[rule]]\nfault = \"not_found\"\nprobabilty = 0.1";
        assert!(
            matches!(Faults::from_toml(text), Err(FaultsError::UnknownKey(0, key)) if key == "probabilty")
        );
        assert!(matches!(
            Faults::from_toml("lists_say_flase = true"),
            Err(FaultsError::Shape(_))
        ));
    }

    #[test]
    fn every_fault_can_be_written_in_a_file() {
        for (fault, keys) in [
            ("latency", "fixed_ms = 1\njitter_ms = 2"),
            ("answer_delayed", "fixed_ms = 1"),
            ("internal_error", "applied = true"),
            ("bad_gateway", ""),
            ("unavailable", ""),
            ("unauthorized", ""),
            ("forbidden", ""),
            ("not_found", "token_id = \"6f652857-8798-5791-b345-f84d5a9ec333\""),
            ("too_many_requests", "retry_after_s = 3"),
            ("connection_closed", "order_id = \"an-order\""),
            ("answer_lost", "calls = 3\nafter_calls = 2"),
            ("answer_cut", "from_ms = 10\nuntil_ms = 20"),
            ("garbage_body", "endpoint = \"orders_list\""),
            ("truncated_body", ""),
            ("wrong_order_id", ""),
            ("wrong_flag", ""),
            ("success_false", ""),
            ("slow_body", "chunk_bytes = 1\nwait_ms = 2"),
            ("endless_body", ""),
            ("redirect", "location = \"http://elsewhere/\""),
            ("flag_flipped", "probability = 0.5"),
            ("page_slipped", "rows = -3"),
            ("allegro", "failure = \"timed_out\""),
        ] {
            let faults = Faults::from_toml(&format!("[[rule]]\nfault = \"{fault}\"\n{keys}"));
            assert!(faults.is_ok_and(|faults| faults.rules.len() == 1), "{fault}");
        }
    }
}
