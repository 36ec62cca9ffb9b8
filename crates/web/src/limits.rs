//! Every bound of the HTTP interface.

use std::time::Duration;

/// Bytes of a body; more is 413.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a body that is refused and yet read to its end, so that its sender reads the answer and not a reset.
pub(crate) const DROPPED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of all lines of a batch.
pub(crate) const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Lines of a batch.
pub(crate) const BATCH_LINES_MAX: u64 = 100_000;
/// Lines of a batch that are taken in together.
pub(crate) const BATCH_CHUNK_LINES: usize = 256;
/// Bytes of lines that are taken in together: large forms make smaller chunks.
pub(crate) const BATCH_CHUNK_BYTES: usize = 8 * 1024 * 1024;
/// Kibibytes of results that wait for a sender who does not read them yet. Many send a whole batch before they
/// read a byte of its answer; room for the results of a full batch keeps both sides from waiting for each other.
pub(crate) const BATCH_RESULTS_KIB_MAX: u32 = 96 * 1024;
/// Batches at once.
pub(crate) const BATCHES_MAX: usize = 4;
/// How long a chunk that is not full waits for more lines.
pub(crate) const BATCH_CHUNK_WAIT: Duration = Duration::from_millis(20);
/// How long a body may stand still.
pub(crate) const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a body may take in all, except a batch.
pub(crate) const BODY_TIME_MAX: Duration = Duration::from_secs(120);
/// How long a sender says nothing before it is taken to wait for the results so far.
pub(crate) const BATCH_ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Bytes of a stock list that is brought over.
pub(crate) const IMPORT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of one line of it.
pub(crate) const IMPORT_LINE_BYTES_MAX: usize = 16 * 1024;
/// Changes that a preview of it lists.
pub(crate) const IMPORT_CHANGES_SHOWN_MAX: usize = 1_000;
/// Orders adopted in one request.
pub(crate) const ADOPTED_TOGETHER_MAX: usize = 1_000;
/// Listeners to events at once.
pub(crate) const LISTENERS_MAX: usize = 100;
/// How often a listener hears something, so that neither side takes the other for gone.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events that a listener is told of together; what changed twice among them is told once.
pub(crate) const EVENTS_TOGETHER_MAX: usize = 256;
/// Values in one body. Small values take many times their text in memory.
pub(crate) const JSON_VALUES_MAX: u32 = 1_000_000;
/// Characters of an idempotency key.
pub(crate) const IDEMPOTENCY_KEY_CHARACTERS_MAX: usize = 255;
/// Rows of a page when the caller does not say.
pub(crate) const PAGE_ROWS_DEFAULT: usize = 50;
/// Reviews that one bulk answer resolves.
pub(crate) const RESOLVED_TOGETHER_MAX: usize = 1_000;
/// Ids in one bulk request.
pub(crate) const IDS_MAX: usize = 1_000;
/// Seconds after which a client may try again what was refused because the service was busy.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 1;

/// Connections at once; further ones wait.
pub(crate) const CONNECTIONS_MAX: usize = 10_000;
/// Headers of a request.
pub(crate) const HEADERS_MAX: usize = 100;
/// Bytes of a request's line and headers.
pub(crate) const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How long a connection may take to send the headers of a request; also how long it may stay idle.
pub(crate) const HEADER_TIME_MAX: Duration = Duration::from_secs(60);
/// How long who has connected, and asked nothing yet, may take to ask once a stop was asked for.
pub(crate) const FIRST_REQUEST_TIME_MAX: Duration = Duration::from_millis(500);
/// How long requests under way may take to end once a stop was asked for.
pub(crate) const DRAIN_TIME_MAX: Duration = Duration::from_secs(20);
/// Failures after which nobody more is let in who waited when the server stopped: it may be out of file handles.
pub(crate) const FAILED_ACCEPTS_MAX: u32 = 100;

const _: () = assert!(BODY_BYTES_MAX <= DROPPED_BYTES_MAX);
const _: () = assert!(BODY_BYTES_MAX <= BATCH_CHUNK_BYTES);
