//! Which endpoint a path means, with the framework's habits about slashes and methods.

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::request::Request;

/// The endpoints of the orders service that are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `GET /`.
    Root,
    /// `GET /health`.
    Health,
    /// `GET /api/v1/tokens/`.
    TokensList,
    /// `GET /api/v1/tokens/{id}`.
    TokenById,
    /// `GET /api/v1/orders/`.
    OrdersList,
    /// `GET /api/v1/orders/search`.
    OrdersSearch,
    /// `GET /api/v1/orders/{id}`.
    OrderById,
    /// `GET /api/v1/orders/{id}/technical-flags`.
    TechnicalFlags,
    /// `PATCH /api/v1/orders/{id}/stock-status`.
    StockStatus,
    /// `GET /api/v1/orders/technical-flags/summary`.
    FlagsSummary,
    /// `GET /api/v1/orders/events`.
    OrderEvents,
    /// `POST /api/v1/orders/{id}/sync`.
    OrderSync,
    /// `GET /api/v1/offers/by-external-id`.
    OffersByExternalId,
    /// `POST /api/v1/offers/update-stock`.
    OffersUpdateStock,
}

impl Endpoint {
    /// Every endpoint, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Root,
        Self::Health,
        Self::TokensList,
        Self::TokenById,
        Self::OrdersList,
        Self::OrdersSearch,
        Self::OrderById,
        Self::TechnicalFlags,
        Self::StockStatus,
        Self::FlagsSummary,
        Self::OrderEvents,
        Self::OrderSync,
        Self::OffersByExternalId,
        Self::OffersUpdateStock,
    ];

    fn method(self) -> Method {
        match self {
            Self::StockStatus => Method::PATCH,
            Self::OrderSync | Self::OffersUpdateStock => Method::POST,
            _ => Method::GET,
        }
    }

    /// Whether the endpoint opens a database session that it never closes.
    pub(crate) fn leaks_connection(self) -> bool {
        matches!(self, Self::OrdersList | Self::OrdersSearch)
    }
}

/// An endpoint and the text that stood in its path.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) endpoint: Endpoint,
    pub(crate) argument: String,
}

/// The route of a request, or the answer the framework gives without one.
pub(crate) fn route(request: &Request) -> Result<Route, Answer> {
    if let Some(route) = match_path(&request.path) {
        let method = route.endpoint.method();
        if request.method == method {
            return Ok(route);
        }
        return Err(
            Answer::detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
                .with_header(hyper::header::ALLOW, method.as_str()),
        );
    }
    if let Some(location) = redirect(request) {
        return Err(
            Answer::empty(StatusCode::TEMPORARY_REDIRECT).with_header(hyper::header::LOCATION, &location)
        );
    }
    Err(Answer::detail(StatusCode::NOT_FOUND, "Not Found"))
}

fn match_path(path: &str) -> Option<Route> {
    let route = |endpoint| {
        Some(Route {
            endpoint,
            argument: String::new(),
        })
    };
    let with = |endpoint, argument: &str| {
        Some(Route {
            endpoint,
            argument: argument.to_owned(),
        })
    };
    match path {
        "/" => return route(Endpoint::Root),
        "/health" => return route(Endpoint::Health),
        _ => {}
    }
    let segments: Vec<&str> = path.strip_prefix("/api/v1/")?.split('/').collect();
    match segments.as_slice() {
        ["tokens", ""] => route(Endpoint::TokensList),
        ["tokens", id] => with(Endpoint::TokenById, id),
        ["orders", ""] => route(Endpoint::OrdersList),
        ["orders", "search"] => route(Endpoint::OrdersSearch),
        ["orders", "events"] => route(Endpoint::OrderEvents),
        // These exist in the service but are not simulated; taking them for order ids would hide that.
        ["orders", "statistics" | "data-quality"] => None,
        ["orders", "technical-flags", "summary"] => route(Endpoint::FlagsSummary),
        ["orders", id] => with(Endpoint::OrderById, id),
        ["orders", id, action] if !id.is_empty() => match *action {
            "technical-flags" => with(Endpoint::TechnicalFlags, id),
            "stock-status" => with(Endpoint::StockStatus, id),
            "sync" => with(Endpoint::OrderSync, id),
            _ => None,
        },
        ["offers", "by-external-id"] => route(Endpoint::OffersByExternalId),
        ["offers", "update-stock"] => route(Endpoint::OffersUpdateStock),
        _ => None,
    }
}

/// Where the framework sends a path that only differs by its last slash, before it looks at any credentials.
fn redirect(request: &Request) -> Option<String> {
    let toggle = |path: &str| match path.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{path}/"),
    };
    match_path(&toggle(&request.path))?;
    let host = request.header("host").unwrap_or("localhost");
    let query = request
        .query_raw
        .as_deref()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    Some(format!("http://{host}{}{query}", toggle(&request.path_raw)))
}
