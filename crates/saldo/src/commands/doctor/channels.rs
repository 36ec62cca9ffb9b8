//! Whether people can be told.

use saldo_domain::alert::Channel;
use saldo_domain::ids::IdSource;

use super::Findings;
use crate::config::Config;
use crate::edge::{RandomIds, now};

const AREA: &str = "channels";

/// Says which channels are set up; with `send_test` sends a test message on each.
pub(super) async fn check(config: &Config, send_test: bool, findings: &mut Findings) {
    let notifier = match config.notifier(&format!("http://{}", config.listen)) {
        Ok(notifier) => notifier,
        Err(problems) => {
            for problem in problems {
                findings.wrong(AREA, problem, "change that setting");
            }
            return;
        }
    };
    let set_up = notifier.channels();
    if set_up.is_empty() {
        let mend =
            "set [channels.telegram], [channels.email] or [channels.webhook]; docs/monitoring.md tells how";
        findings.note(AREA, "none is set up, so nobody is told of alerts", mend);
        return;
    }
    for channel in Channel::ALL
        .into_iter()
        .filter(|channel| set_up.contains(channel))
    {
        if !send_test {
            findings.note(
                AREA,
                format!("{channel} is set up, and was not tried"),
                "run `saldo doctor --send-test` to send a test message on each channel",
            );
            continue;
        }
        let id = format!("test-{}", RandomIds::default().next(now()));
        match notifier.send_test(channel, &id, now()).await {
            Ok(()) => findings.fine(AREA, format!("{channel} has taken a test message")),
            Err(error) => findings.wrong(
                AREA,
                format!("{channel} has not taken the test message: {error}"),
                format!("change what it says in [channels.{channel}], and run this again"),
            ),
        }
    }
}
