//! What a message says, in sentences: the same for every channel.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use saldo_domain::alert::{Alert, AlertKind, Entry, Example, Occasion, Severity};

use crate::language::Language;
use crate::text::{quoted, unmarked};
use crate::words::{Value, Words};

#[cfg(test)]
mod tests;

/// Writes messages in one language.
pub struct Composer {
    words: Words,
    zone: TimeZone,
    /// Where people reach Saldo; without a slash at the end. Links begin with it; none: there are no links.
    public_url: Option<String>,
}

/// A message in sentences. What comes from outside stands between marks that the channels know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// One line that says it all.
    pub subject: String,
    /// One for each alert.
    pub items: Vec<Item>,
    /// Why the reader gets this.
    pub footer: String,
    /// The tag of its language.
    pub language: &'static str,
}

/// One alert in sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// How serious it is.
    pub severity: Severity,
    /// Why it is told.
    pub occasion: Occasion,
    /// What is wrong, or is right again.
    pub headline: String,
    /// The facts.
    pub lines: Vec<String>,
    /// What to do, once something is to be done.
    pub todo: Option<String>,
    /// Where to read on: the sentence, and the address in it.
    pub link: Option<(String, String)>,
}

impl Composed {
    /// As someone reads it who gets plain text.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut text = format!("{}\n", self.subject);
        for item in &self.items {
            text.push_str(&format!("\n{}\n", item.headline));
            let link = item.link.as_ref().map(|(sentence, _)| sentence);
            for line in item.lines.iter().chain(&item.todo).chain(link) {
                text.push_str(&format!("{line}\n"));
            }
        }
        unmarked(&text)
    }
}

impl Composer {
    /// Writes in this language, with moments in this time zone.
    #[must_use]
    pub fn new(language: Language, zone: TimeZone, public_url: &str) -> Self {
        let public_url = public_url.trim().trim_end_matches('/');
        Self {
            words: Words::new(language),
            zone,
            public_url: (!public_url.is_empty()).then(|| public_url.to_owned()),
        }
    }

    /// The language.
    #[must_use]
    pub const fn language(&self) -> Language {
        self.words.language()
    }

    /// A message about alerts, as of the moment that it was made.
    #[must_use]
    pub fn compose(&self, entries: &[Entry], created_at: Timestamp) -> Composed {
        let items: Vec<Item> = entries.iter().map(|entry| self.item(entry, created_at)).collect();
        let headline = items.first().map_or("", |item| item.headline.as_str());
        let more = u64::try_from(items.len().saturating_sub(1)).unwrap_or(u64::MAX);
        let subject = if more == 0 {
            self.words.say("subject", &[("headline", Value::Text(headline))])
        } else {
            self.words.say(
                "subject-more",
                &[
                    ("headline", Value::Text(headline)),
                    ("count", Value::Number(more)),
                ],
            )
        };
        Composed {
            subject,
            items,
            footer: self.words.say("footer", &[]),
            language: self.language().tag(),
        }
    }

    /// A message that only proves that a channel works.
    #[must_use]
    pub fn compose_test(&self) -> Composed {
        let subject = self.words.say("test-subject", &[]);
        let item = Item {
            severity: Severity::Notice,
            occasion: Occasion::Begun,
            headline: subject.clone(),
            lines: vec![self.words.say("test-body", &[])],
            todo: None,
            link: None,
        };
        Composed {
            subject,
            items: vec![item],
            footer: self.words.say("footer", &[]),
            language: self.language().tag(),
        }
    }

    /// Says how many alerts are not told.
    pub(crate) fn left_off(&self, count: usize) -> String {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.words.say("left-off", &[("count", Value::Number(count))])
    }

    fn item(&self, entry: &Entry, now: Timestamp) -> Item {
        let alert = &entry.alert;
        let title = self.of_kind(alert, "");
        let severity = self.words.say(&format!("severity-{}", alert.severity), &[]);
        let lasted = self.duration(alert.lasted(now));
        let headline = self.words.say(
            &format!("headline-{}", entry.occasion),
            &[
                ("severity", Value::Text(&severity)),
                ("title", Value::Text(&title)),
                ("lasted", Value::Text(&lasted)),
            ],
        );
        let is_over = entry.occasion == Occasion::Ended;
        let lines = if is_over {
            self.end(alert, &lasted, now)
        } else {
            self.facts(alert)
        };
        let todo = (!is_over).then(|| {
            let todo = self.of_kind(alert, ".todo");
            self.words.say("what-to-do", &[("todo", Value::Text(&todo))])
        });
        Item {
            severity: alert.severity,
            occasion: entry.occasion,
            headline,
            lines,
            todo,
            link: self.link(alert),
        }
    }

    /// A text of the alert's kind, with everything that such texts may name.
    fn of_kind(&self, alert: &Alert, attribute: &str) -> String {
        let facts = &alert.facts;
        let account = facts.examples.first().map_or_else(|| "–".to_owned(), account_of);
        let account = match (&alert.subject.account(), facts.examples.first()) {
            (Some(id), None) => quoted(&id.to_string()),
            _ => account,
        };
        let task = alert.subject.task().map_or("–", |task| task.as_str());
        let since = self.moment(facts.since.unwrap_or(alert.begun_at));
        let percent = permille(u64::from(facts.failed_permille.unwrap_or(0)));
        let limit_percent = permille(facts.limit.unwrap_or(0));
        self.words.say(
            &format!("{}{attribute}", alert.kind),
            &[
                ("count", Value::Number(facts.count)),
                ("limit", Value::Number(facts.limit.unwrap_or(0))),
                ("percent", Value::Text(&percent)),
                ("limit_percent", Value::Text(&limit_percent)),
                (
                    "window",
                    Value::Number(u64::from(facts.window_minutes.unwrap_or(0))),
                ),
                ("since", Value::Text(&since)),
                ("account", Value::Text(&account)),
                ("task", Value::Text(&quoted(task))),
            ],
        )
    }

    fn facts(&self, alert: &Alert) -> Vec<String> {
        let facts = &alert.facts;
        let since = facts.since.unwrap_or(alert.begun_at);
        let mut lines = vec![self.of_kind(alert, ".facts")];
        if alert.kind != AlertKind::TaskMissed {
            let since = self.moment(since);
            lines.push(self.words.say("begun-at", &[("begun", Value::Text(&since))]));
        }
        if alert.kind != AlertKind::AccountUnusable {
            lines.extend(facts.examples.iter().map(|example| self.example(example)));
            let more = facts.count.saturating_sub(facts.examples.len() as u64);
            if more > 0 && !facts.examples.is_empty() {
                lines.push(self.words.say("example-more", &[("count", Value::Number(more))]));
            }
        }
        if let Some(error) = &facts.error {
            lines.push(
                self.words
                    .say("last-error", &[("error", Value::Text(&quoted(error)))]),
            );
        }
        lines
    }

    fn example(&self, example: &Example) -> String {
        let text = |text: Option<&str>| text.map_or_else(|| "–".to_owned(), quoted);
        let number = |number: Option<i64>| number.map_or_else(|| "–".to_owned(), |number| number.to_string());
        let account = account_of(example);
        let order = text(example.order.as_ref().map(|order| order.as_str()));
        let sku = text(example.sku.as_ref().map(|sku| sku.as_str()));
        let warehouse = text(example.warehouse.as_ref().map(|warehouse| warehouse.as_str()));
        let error = text(example.error.as_deref());
        let numbers = [example.required, example.available, example.short].map(number);
        let at = example.at.map_or_else(|| "–".to_owned(), |at| self.moment(at));
        let name = if example.sku.is_some() {
            "example-shortage"
        } else {
            "example-order"
        };
        self.words.say(
            name,
            &[
                ("account", Value::Text(&account)),
                ("order", Value::Text(&order)),
                ("sku", Value::Text(&sku)),
                ("warehouse", Value::Text(&warehouse)),
                ("required", Value::Text(&numbers[0])),
                ("available", Value::Text(&numbers[1])),
                ("short", Value::Text(&numbers[2])),
                ("error", Value::Text(&error)),
                ("at", Value::Text(&at)),
            ],
        )
    }

    fn end(&self, alert: &Alert, lasted: &str, now: Timestamp) -> Vec<String> {
        let after = match alert.delivered {
            Some(delivered) if delivered > 0 => self.words.say(
                "ended-after-delivered",
                &[
                    ("lasted", Value::Text(lasted)),
                    ("delivered", Value::Number(delivered)),
                ],
            ),
            _ => self.words.say("ended-after", &[("lasted", Value::Text(lasted))]),
        };
        let begun = self.moment(alert.begun_at);
        let ended = self.moment(alert.cleared_at.or(alert.ended_at).unwrap_or(now));
        let span = self.words.say(
            "ended-span",
            &[("begun", Value::Text(&begun)), ("ended", Value::Text(&ended))],
        );
        vec![after, span]
    }

    fn link(&self, alert: &Alert) -> Option<(String, String)> {
        let base = self.public_url.as_ref()?;
        let address = format!("{base}/api/v1/stock-sync/alerts/{}", alert.id);
        let sentence = self.words.say("details", &[("link", Value::Text(&address))]);
        Some((sentence, address))
    }

    /// A moment in local time, to the minute.
    fn moment(&self, moment: Timestamp) -> String {
        moment
            .to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M %Z")
            .to_string()
    }

    /// A duration in its two largest units.
    fn duration(&self, duration: SignedDuration) -> String {
        let seconds = duration.as_secs().unsigned_abs();
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        let number = Value::Number;
        if days > 0 {
            let parts = [("days", number(days)), ("hours", number(hours % 24))];
            self.words.say("duration-days", &parts)
        } else if hours > 0 {
            let parts = [("hours", number(hours)), ("minutes", number(minutes % 60))];
            self.words.say("duration-hours", &parts)
        } else if minutes > 0 {
            self.words
                .say("duration-minutes", &[("minutes", number(minutes))])
        } else {
            self.words
                .say("duration-seconds", &[("seconds", number(seconds))])
        }
    }
}

/// The name of an example's account, or its id.
fn account_of(example: &Example) -> String {
    match (&example.account_name, example.account) {
        (Some(name), _) => quoted(name),
        (None, Some(id)) => quoted(&id.to_string()),
        (None, None) => "–".to_owned(),
    }
}

/// Thousandths as percent, without a tail of zeros.
fn permille(permille: u64) -> String {
    if permille.is_multiple_of(10) {
        (permille / 10).to_string()
    } else {
        format!("{}.{}", permille / 10, permille % 10)
    }
}
