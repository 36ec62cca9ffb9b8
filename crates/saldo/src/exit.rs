//! How the program ends.

use std::process::ExitCode;

use crate::output::note;

/// How a command ended that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All is well: exit code 0.
    Well,
    /// The thing failed, and the command has said what: exit code 1.
    Failed,
}

impl End {
    /// Well, if a condition holds.
    pub(crate) fn well_if(well: bool) -> Self {
        if well { Self::Well } else { Self::Failed }
    }
}

/// What was asked makes no sense: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// An error with its causes, none of them said twice.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

/// Turns the end of a command into the exit code, and says what went wrong.
pub(crate) fn code(ended: anyhow::Result<End>) -> ExitCode {
    match ended {
        Ok(End::Well) => ExitCode::SUCCESS,
        Ok(End::Failed) => ExitCode::from(1),
        Err(error) => {
            note(&format!("saldo: {}", told(&error)));
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let error = anyhow::anyhow!("no such file").context("it cannot be read: no such file");
        assert_eq!(told(&error), "it cannot be read: no such file");
        let error = anyhow::anyhow!("no such file").context("it cannot be read");
        assert_eq!(told(&error), "it cannot be read: no such file");
    }
}
