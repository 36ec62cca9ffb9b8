//! The running servers.

use jiff::Timestamp;
use saldo_engine::{InstanceStatus, LeaderStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::ServerRoleWord;

/// A running server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instance)]
pub struct InstanceBody<'a> {
    /// Another one for each start.
    pub id: &'a str,
    /// What people call it.
    pub name: &'a str,
    /// The version that it runs.
    pub version: &'a str,
    /// What it does.
    #[schema(value_type = ServerRoleWord)]
    pub role: &'static str,
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it last told of itself.
    #[schema(value_type = String, format = DateTime)]
    pub heartbeat_at: Timestamp,
    /// Whether that was more than 15 seconds ago. It goes from this list a minute after its last word.
    pub silent: bool,
    /// What it holds.
    pub holds: HoldsBody<'a>,
    /// Whether it leads.
    pub leader: bool,
    /// Since when it stands aside and makes no deliveries, because the orders service answers other instances and not
    /// this one. The others deliver meanwhile.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub aside_since: Option<Timestamp>,
}

/// What a running server holds, so that the others leave it alone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Holds)]
pub struct HoldsBody<'a> {
    /// Deliveries under way at its heartbeat.
    pub deliveries: u64,
    /// What it alone may do now: tasks by name, `poller` to pull orders, `alerts` to look for alerts.
    pub tasks: Vec<&'a str>,
}

/// The instance that starts scheduled tasks, pulls orders and looks for alerts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Leader)]
pub struct LeaderBody<'a> {
    /// Its id, as in `instances`.
    pub id: &'a str,
    /// Grows by one each time that another one leads.
    pub term: u64,
    /// Until when it leads, unless that is renewed.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

impl<'a> InstanceBody<'a> {
    pub(crate) fn new(instance: &'a InstanceStatus) -> Self {
        Self {
            id: &instance.id,
            name: &instance.name,
            version: &instance.version,
            role: instance.role.as_str(),
            started_at: instance.started_at,
            heartbeat_at: instance.heartbeat_at,
            silent: instance.is_silent,
            holds: HoldsBody {
                deliveries: instance.deliveries,
                tasks: instance.tasks.iter().map(String::as_str).collect(),
            },
            leader: instance.is_leader,
            aside_since: instance.aside_since,
        }
    }
}

impl<'a> LeaderBody<'a> {
    pub(crate) fn new(leader: &'a LeaderStatus) -> Self {
        Self {
            id: &leader.id,
            term: leader.term,
            until: leader.until,
        }
    }
}
