//! The program as a person meets it: real processes, real files.

mod configuration;
mod help;
mod keys;
mod offline;
mod running_server;
mod support;
