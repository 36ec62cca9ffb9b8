//! Mail: SMTP with STARTTLS or TLS from the start, text and HTML side by side.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use saldo_domain::alert::{Occasion, Severity};

use crate::compose::{Composed, Item};
use crate::failure::{OptionsError, SendError};
use crate::http::install_crypto_provider;
use crate::text::{Secret, html, unmarked};

/// How long one command of the conversation may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the whole of it may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of everything that is attached to a letter.
const ATTACHMENT_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Alerts that a letter tells in full; of more, the rest is counted.
const ITEMS_MAX: usize = 50;

/// `[channels.email]`
#[derive(Debug, Clone)]
pub struct EmailOptions {
    /// `smtps://user:password@host:465` for TLS from the start, `smtp://user:password@host:587` for STARTTLS. Only
    /// `smtp://…?tls=none` sends without encryption.
    pub smtp_url: Secret,
    /// Whom it is from.
    pub from: String,
    /// Whom it is for.
    pub to: Vec<String>,
    /// A certificate in PEM to trust besides those of the system; empty: none.
    pub root_certificate_pem: Vec<u8>,
}

/// A file that goes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// Its type, such as `text/csv`.
    pub content_type: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A letter to the configured people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Which letter: the same id makes the same `Message-ID`, so that a repeat can be recognised.
    pub id: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// What it is about.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// What goes along.
    pub attachments: Vec<Attachment>,
}

/// People that letters go to.
pub(crate) struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    hidden: Vec<Secret>,
}

impl Email {
    pub(crate) fn new(options: &EmailOptions) -> Result<Self, OptionsError> {
        install_crypto_provider();
        let mailbox = |setting: &str, address: &str| {
            address.parse::<Mailbox>().map_err(|error| {
                OptionsError(format!("{setting}: \"{address}\" is no mail address: {error}"))
            })
        };
        let from = mailbox("channels.email.from", &options.from)?;
        let to: Vec<Mailbox> = options
            .to
            .iter()
            .map(|address| mailbox("channels.email.to", address))
            .collect::<Result<_, _>>()?;
        if to.is_empty() {
            return Err(OptionsError("channels.email.to must name someone".to_owned()));
        }
        let server = Server::read(&options.smtp_url)?;
        let transport = server.transport(&options.root_certificate_pem)?;
        Ok(Self {
            transport,
            from,
            to,
            hidden: server.hidden(),
        })
    }

    /// Sends a letter once: either everyone gets it, or it failed.
    pub(crate) async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = self.message(letter)?;
        match tokio::time::timeout(TIMEOUT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let reason = format!("the mail server: {}", words(&error));
                let reason = self
                    .hidden
                    .iter()
                    .fold(reason, |reason, secret| secret.hide(&reason));
                if error.is_permanent() || error.is_client() {
                    Err(SendError::refused(reason))
                } else {
                    Err(SendError::passing(reason))
                }
            }
            Err(_) => Err(SendError::passing("the mail server did not answer in time")),
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, SendError> {
        let refused = |error: &dyn std::fmt::Display| SendError::refused(format!("the letter: {error}"));
        let bytes: usize = letter
            .attachments
            .iter()
            .map(|attachment| attachment.bytes.len())
            .sum();
        if bytes > ATTACHMENT_BYTES_MAX {
            return Err(refused(&"what is attached is too large"));
        }
        let domain = self.from.email.domain();
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(letter.subject.clone())
            .date(SystemTime::from(letter.written_at))
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            .header(AutoSubmitted);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let bodies = MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone());
        let content = if letter.attachments.is_empty() {
            bodies
        } else {
            let mut mixed = MultiPart::mixed().multipart(bodies);
            for attachment in &letter.attachments {
                let kind = ContentType::parse(&attachment.content_type).map_err(|error| refused(&error))?;
                let part = lettre::message::Attachment::new(attachment.name.clone());
                mixed = mixed.singlepart(part.body(attachment.bytes.clone(), kind));
            }
            mixed
        };
        builder.multipart(content).map_err(|error| refused(&error))
    }
}

/// The cause of an SMTP error, without the layers above it.
fn words(error: &lettre::transport::smtp::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        let next = source.to_string();
        if !words.contains(&next) {
            words.push_str(": ");
            words.push_str(&next);
        }
        cause = source.source();
    }
    words
}

/// Says that no person wrote it, so that no absence is answered (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    FromTheStart,
    StartTls,
    None,
}

/// What stands in `smtp_url`.
struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    user: Option<String>,
    password: Option<String>,
}

impl Server {
    fn read(smtp_url: &Secret) -> Result<Self, OptionsError> {
        // The address itself is never repeated: a password stands in it.
        let wanted = |what: &str| OptionsError(format!("channels.email.smtp_url {what}"));
        let url = Url::parse(smtp_url.expose())
            .map_err(|_| wanted("must be an address such as smtps://user:password@mail.example:465"))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wanted("must name a host"))?.to_owned();
        let tls = url
            .query_pairs()
            .find(|(key, _)| key == "tls")
            .map(|(_, value)| value.into_owned());
        let (encryption, port) = match (url.scheme(), tls.as_deref()) {
            ("smtps", None) => (Encryption::FromTheStart, 465),
            ("smtp", None | Some("required")) => (Encryption::StartTls, 587),
            ("smtp", Some("none")) => (Encryption::None, 25),
            _ => {
                return Err(wanted(
                    "must begin with smtps:// or smtp://, and may end with ?tls=none",
                ));
            }
        };
        let decoded = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded
                .map(Cow::into_owned)
                .map_err(|_| wanted("must hold user and password as UTF-8"))
        };
        let user = Some(url.username())
            .filter(|user| !user.is_empty())
            .map(decoded)
            .transpose()?;
        let password = url.password().map(decoded).transpose()?;
        let is_near = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        if encryption == Encryption::None && password.is_some() && !is_near {
            return Err(wanted(
                "would send the password without encryption; leave out tls=none",
            ));
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(port),
            encryption,
            user,
            password,
        })
    }

    /// What the server may quote of what it was told: the password, and how it is written in `AUTH`.
    fn hidden(&self) -> Vec<Secret> {
        let password = self.password.clone().unwrap_or_default();
        let user = self.user.clone().unwrap_or_default();
        let plain = STANDARD.encode(format!("\0{user}\0{password}"));
        let login = STANDARD.encode(&password);
        [plain, login, password].map(Secret::new).into()
    }

    fn transport(&self, root_pem: &[u8]) -> Result<AsyncSmtpTransport<Tokio1Executor>, OptionsError> {
        let failed = |error: lettre::transport::smtp::Error| {
            OptionsError(format!("channels.email: {}", words(&error)))
        };
        let parameters = || {
            let mut parameters = TlsParameters::builder(self.host.clone());
            if !root_pem.is_empty() {
                parameters =
                    parameters.add_root_certificate(Certificate::from_pem(root_pem).map_err(failed)?);
            }
            parameters.build().map_err(failed)
        };
        let tls = match self.encryption {
            Encryption::FromTheStart => Tls::Wrapper(parameters()?),
            Encryption::StartTls => Tls::Required(parameters()?),
            Encryption::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .timeout(Some(COMMAND_TIMEOUT))
            .tls(tls);
        if let Some(password) = &self.password {
            let user = self.user.clone().unwrap_or_default();
            builder = builder.credentials(Credentials::new(user, password.clone()));
        }
        Ok(builder.build())
    }
}

/// A message as a letter.
pub(crate) fn letter(
    id: &str,
    composed: &Composed,
    left_off: &dyn Fn(usize) -> String,
    written_at: Timestamp,
) -> Letter {
    let (told, rest) = composed.items.split_at(composed.items.len().min(ITEMS_MAX));
    let rest = (!rest.is_empty()).then(|| left_off(rest.len()));
    Letter {
        id: id.to_owned(),
        written_at,
        subject: unmarked(&composed.subject),
        text: text_of(told, rest.as_deref(), &composed.footer),
        html: html_of(told, rest.as_deref(), composed),
        attachments: Vec::new(),
    }
}

fn text_of(items: &[Item], rest: Option<&str>, footer: &str) -> String {
    let mut text = String::new();
    for item in items {
        text.push_str(&item.headline);
        text.push('\n');
        let link = item.link.as_ref().map(|(sentence, _)| sentence);
        for line in item.lines.iter().chain(&item.todo).chain(link) {
            text.push_str(line);
            text.push('\n');
        }
        text.push('\n');
    }
    if let Some(rest) = rest {
        text.push_str(rest);
        text.push_str("\n\n");
    }
    text.push_str("-- \n");
    text.push_str(footer);
    text.push('\n');
    unmarked(&text)
}

fn html_of(items: &[Item], rest: Option<&str>, composed: &Composed) -> String {
    let mut body = String::new();
    for item in items {
        body.push_str(&format!(
            "<section style=\"border-left:4px solid {};padding:2px 0 2px 14px;margin:0 0 22px\">\
             <h1 style=\"font-size:18px;margin:0 0 8px\">{}</h1>",
            color(item),
            html(&item.headline)
        ));
        for line in &item.lines {
            body.push_str(&format!("<p style=\"margin:0 0 6px\">{}</p>", html(line)));
        }
        if let Some(todo) = &item.todo {
            body.push_str(&format!(
                "<p style=\"margin:8px 0 6px\"><strong>{}</strong></p>",
                html(todo)
            ));
        }
        if let Some((_, address)) = &item.link {
            let address = html(address);
            body.push_str(&format!(
                "<p style=\"margin:0\"><a href=\"{address}\">{address}</a></p>"
            ));
        }
        body.push_str("</section>");
    }
    if let Some(rest) = rest {
        body.push_str(&format!("<p>{}</p>", html(rest)));
    }
    format!(
        "<!DOCTYPE html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{}</title></head><body style=\"font:15px/1.5 sans-serif;\
         margin:0 auto;padding:16px;max-width:640px;overflow-wrap:anywhere\">{body}<p style=\"color:#666;\
         font-size:13px\">{}</p></body></html>",
        composed.language,
        html(&unmarked(&composed.subject)),
        html(&composed.footer)
    )
}

const fn color(item: &Item) -> &'static str {
    match (item.occasion, item.severity) {
        (Occasion::Ended, _) => "#1a7f37",
        (_, Severity::Critical) => "#c62828",
        (_, Severity::Warning) => "#b26a00",
        (_, Severity::Notice) => "#1565c0",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_it_is_encrypted_and_never_sends_a_password_in_the_clear() {
        for (url, encryption, port) in [
            ("smtps://mail.example", Encryption::FromTheStart, 465),
            ("smtp://mail.example", Encryption::StartTls, 587),
            (
                "smtp://u:p@mail.example:2525?tls=required",
                Encryption::StartTls,
                2_525,
            ),
            ("smtp://mail.example?tls=none", Encryption::None, 25),
            ("smtp://u:p@localhost?tls=none", Encryption::None, 25),
        ] {
            let server = Server::read(&Secret::new(url)).unwrap();
            assert_eq!((server.encryption, server.port), (encryption, port), "{url}");
        }
        for bad in [
            "",
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp://mail.example?tls=maybe",
            "smtp://user:hush@mail.example?tls=none",
        ] {
            let Err(error) = Server::read(&Secret::new(bad)) else {
                panic!("{bad}")
            };
            assert!(error.0.starts_with("channels.email.smtp_url") && !error.0.contains("hush"));
        }
    }

    #[test]
    fn signs_in_a_password_are_written_as_in_any_address() {
        let server = Server::read(&Secret::new(
            "smtps://me%40x.example:p%40ss+%2F%C5%82@mail.example",
        ))
        .unwrap();
        assert_eq!(server.user.as_deref(), Some("me@x.example"));
        assert_eq!(server.password.as_deref(), Some("p@ss+/ł"));
    }
}
