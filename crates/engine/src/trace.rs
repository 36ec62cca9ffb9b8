//! What is traced: the spans that a program which embeds the engine may send to a collector.

/// The target of every span. They are made at the level of tracing only, and cost nothing where nobody wants them.
pub const TRACE_TARGET: &str = "saldo::trace";
