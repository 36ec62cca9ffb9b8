//! Writes a report of a made-up week in every format and language, to be looked at.
//!
//! `cargo run -p saldo-report --example sample -- DIRECTORY`

use std::path::PathBuf;

use saldo_report::{Format, Language, mail, render};

#[path = "../tests/support/mod.rs"]
mod support;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory: PathBuf = std::env::args_os().nth(1).ok_or("name a directory")?.into();
    std::fs::create_dir_all(&directory)?;
    let reports = [
        ("week", support::week_of_a_shop()),
        ("hostile", support::hostile()),
        ("empty", support::empty()),
    ];
    for (name, report) in &reports {
        for language in Language::ALL {
            for format in Format::ALL {
                let file = format!("{name}-{}.{}", language.as_str(), format.as_str());
                std::fs::write(directory.join(file), render(report, format, language)?)?;
            }
            let mail = mail(report, language)?;
            let text = format!("Subject: {}\n\n{}", mail.subject, mail.text);
            std::fs::write(directory.join(format!("{name}-{}.txt", language.as_str())), text)?;
            let file = format!("{name}-{}-mail.html", language.as_str());
            std::fs::write(directory.join(file), mail.html)?;
        }
    }
    Ok(())
}
