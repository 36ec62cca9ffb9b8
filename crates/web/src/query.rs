//! Reading the query of a request.

use axum::extract::Query;
use axum::http::Uri;
use saldo_domain::text::TextError;
use saldo_store::query::{PAGE_ROWS_MAX, PageRequest};

use crate::fields::Problems;
use crate::limits::PAGE_ROWS_DEFAULT;

/// The parameters of a query. A misspelt filter is refused: ignored, it would answer with everything.
pub(crate) struct Parameters<'p> {
    pairs: Vec<(String, String)>,
    problems: &'p Problems,
}

impl<'p> Parameters<'p> {
    /// Reads a query that may have these parameters and no others, each once.
    pub(crate) fn new(uri: &Uri, known: &[&str], problems: &'p Problems) -> Self {
        let pairs = match uri.query() {
            None => Vec::new(),
            Some(_) => Query::try_from_uri(uri)
                .map(|Query(pairs)| pairs)
                .unwrap_or_else(|_| {
                    problems.add("/query", "cannot be read");
                    Vec::new()
                }),
        };
        let parameters = Self { pairs, problems };
        for (index, (name, _)) in parameters.pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = match known {
                    [] => "this call has none".to_owned(),
                    [one] => format!("the only one is {one}"),
                    several => format!("the parameters are: {}", several.join(", ")),
                };
                parameters.problem(name, &format!("there is no such parameter; {known}"));
            } else if parameters.pairs[..index]
                .iter()
                .any(|(earlier, _)| earlier == name)
            {
                parameters.problem(name, "is given twice");
            }
        }
        parameters
    }

    fn problem(&self, name: &str, message: &str) {
        let name: String = name.chars().take(100).collect();
        let name = name.replace('~', "~0").replace('/', "~1");
        self.problems.add(format!("/query/{name}"), message);
    }

    /// A parameter's text, as it was given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that is read by a rule.
    pub(crate) fn read<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match read(self.text(name)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(name, &message);
                None
            }
        }
    }

    /// A parameter that a rule of names or ids checks.
    pub(crate) fn checked<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, TextError>) -> Option<T> {
        self.read(name, |text| parse(text).map_err(|error| error.0))
    }

    /// A parameter that is parsed as its type is.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str, what: &str) -> Option<T> {
        self.read(name, |text| text.parse().map_err(|_| format!("must be {what}")))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        self.parsed(name, "true or false")
    }

    /// `limit` and `cursor`.
    pub(crate) fn page(&self) -> PageRequest {
        let in_range = |text: &str| match text.parse() {
            Ok(limit) if (1..=PAGE_ROWS_MAX).contains(&limit) => Ok(limit),
            _ => Err(format!("must be a whole number from 1 to {PAGE_ROWS_MAX}")),
        };
        let limit = self.read("limit", in_range).unwrap_or(PAGE_ROWS_DEFAULT);
        PageRequest {
            after: self.text("cursor").map(str::to_owned),
            limit,
        }
    }
}
