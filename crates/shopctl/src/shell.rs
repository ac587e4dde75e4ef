//! Shell completions and manual pages of the command line.

use std::{io, path::PathBuf};

use clap::Command;
use clap_complete::Shell;

use crate::{Common, output};

#[derive(clap::Args)]
pub(crate) struct Completions {
    /// The shell to complete for.
    shell: Completed,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Completed {
    /// GNU bash.
    Bash,
    /// Z shell.
    Zsh,
    /// Fish.
    Fish,
}

#[derive(clap::Args)]
pub(crate) struct Man {
    /// Write a page for each verb into this folder, beside shopctl.1.
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Completions {
    pub(crate) fn run(&self, common: &Common, mut command: Command) -> anyhow::Result<()> {
        let shell = match self.shell {
            Completed::Bash => Shell::Bash,
            Completed::Zsh => Shell::Zsh,
            Completed::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "shopctl", &mut script);
        let script = String::from_utf8(script)?;
        let object = serde_json::json!({ "script": script });
        output::either(common.output, &object, script.trim_end())
    }
}

impl Man {
    pub(crate) fn run(&self, common: &Common, command: Command) -> anyhow::Result<()> {
        if let Some(dir) = &self.dir {
            std::fs::create_dir_all(dir)?;
            clap_mangen::generate_to(command, dir)?;
            output::talk(&format!(
                "Written to {}; `man -l {}` shows one.",
                dir.display(),
                dir.join("shopctl.1").display()
            ));
            return Ok(());
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page as &mut dyn io::Write)?;
        let page = String::from_utf8(page)?;
        let object = serde_json::json!({ "page": page });
        output::either(common.output, &object, page.trim_end())
    }
}
