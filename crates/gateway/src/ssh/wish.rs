//! What a worker's channel asks for before its work starts: terminal, environment, and the work itself.

use russh::{ChannelMsg, ChannelReadHalf, Pty};
use sekisho_core::limits;
use sekisho_core::refusal::Refusal;
use sekisho_core::target::Function;
use sekisho_protocol::files::{Direction, Right, Rule};
use sekisho_protocol::ssh::RsyncTransfer;
use sekisho_protocol::ssh::command::{ScpDirection, ScpTransfer};
use sekisho_protocol::ssh::policy::{ChannelAsk, Decision, Functions, RefusedFunction, Use, decide};
use std::collections::BTreeSet;

/// A terminal as the worker's client describes it.
pub struct Terminal {
    pub term: String,
    pub columns: u32,
    pub rows: u32,
    pub pixel_width: u32,
    pub pixel_height: u32,
    pub modes: Vec<(Pty, u32)>,
}

impl Terminal {
    fn resize(&mut self, columns: u32, rows: u32, pixel_width: u32, pixel_height: u32) {
        (self.columns, self.rows, self.pixel_width, self.pixel_height) = (columns, rows, pixel_width, pixel_height);
    }
}

/// The request that starts a channel's work.
pub enum Start {
    Shell,
    Exec(Vec<u8>),
    Subsystem(String),
}

/// Everything that a channel asked for.
pub struct Wish {
    pub terminal: Option<Terminal>,
    pub variables: Vec<(String, String)>,
    pub start: Start,
    /// The worker's client closed its input before the start was answered.
    pub input_ended: bool,
}

/// What the plan makes of a wish.
pub struct Allowed {
    /// The function that is used.
    pub function: Function,
    /// The transfer, if it is one by an exec command.
    pub transfer: Option<Transfer>,
}

/// A transfer by an exec command.
pub enum Transfer {
    Scp(ScpTransfer),
    Rsync(RsyncTransfer),
}

impl Wish {
    /// Reads requests until one starts the work. `None` if the channel ended before.
    pub async fn read(reader: &mut ChannelReadHalf) -> Option<Self> {
        let mut terminal: Option<Terminal> = None;
        let mut variables = Vec::new();
        let mut input_ended = false;
        let start = loop {
            match reader.wait().await? {
                ChannelMsg::RequestPty { term, col_width, row_height, pix_width, pix_height, terminal_modes, .. } => {
                    let ask = ChannelAsk::Pty { term: &term, columns: col_width, rows: row_height, modes: terminal_modes.len() * 5 };
                    if allows_any(&ask) {
                        terminal = Some(Terminal {
                            term,
                            columns: col_width,
                            rows: row_height,
                            pixel_width: pix_width,
                            pixel_height: pix_height,
                            modes: terminal_modes,
                        });
                    }
                }
                ChannelMsg::SetEnv { variable_name, variable_value, .. } => {
                    let ask = ChannelAsk::Env { name: &variable_name, value: &variable_value };
                    if variables.len() < limits::CHANNEL_ENV && allows_any(&ask) {
                        variables.push((variable_name, variable_value));
                    }
                }
                ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                    if let Some(terminal) = &mut terminal {
                        terminal.resize(col_width, row_height, pix_width, pix_height);
                    }
                }
                ChannelMsg::RequestShell { .. } => break Start::Shell,
                ChannelMsg::Exec { command, .. } => break Start::Exec(command),
                ChannelMsg::RequestSubsystem { name, .. } => break Start::Subsystem(name),
                ChannelMsg::Eof => input_ended = true,
                ChannelMsg::Close => return None,
                // Input before there is anything to take it, and requests that were refused when they came.
                _ => {}
            }
        };
        Some(Self { terminal, variables, start, input_ended })
    }

    /// The worker's window changed before the work started.
    pub fn resize(&mut self, columns: u32, rows: u32, pixel_width: u32, pixel_height: u32) {
        if let Some(terminal) = &mut self.terminal {
            terminal.resize(columns, rows, pixel_width, pixel_height);
        }
    }

    /// True if a person sits at it and can be asked.
    pub fn is_interactive(&self) -> bool {
        self.terminal.is_some() && matches!(self.start, Start::Shell)
    }

    /// Decides by the functions that the plan switched on, and what it allows with files.
    pub fn judge(&self, functions: &BTreeSet<Function>, rule: &Rule) -> Result<Allowed, Refusal> {
        let ask = match &self.start {
            Start::Shell => ChannelAsk::Shell,
            Start::Exec(command) => ChannelAsk::Exec(command),
            Start::Subsystem(name) => ChannelAsk::Subsystem(name),
        };
        let plain = |function| Ok(Allowed { function, transfer: None });
        match decide(&ask, switched(functions)) {
            Decision::Allow(Use::Shell) => plain(Function::Shell),
            Decision::Allow(Use::Exec) => plain(Function::Exec),
            Decision::Allow(Use::Sftp) => plain(Function::Sftp),
            Decision::Allow(Use::Scp(transfer)) => {
                let needed = match transfer.direction {
                    ScpDirection::Upload => Right::Upload,
                    ScpDirection::Download => Right::Download,
                };
                needs(rule, needed)?;
                if needed == Right::Upload {
                    goes_on_unseen(rule, Function::Scp)?;
                }
                Ok(Allowed { function: Function::Scp, transfer: Some(Transfer::Scp(transfer)) })
            }
            Decision::Allow(Use::Rsync(transfer)) => {
                transfer.needs.iter().try_for_each(|right| needs(rule, *right))?;
                let direction = if transfer.sender { Direction::Download } else { Direction::Upload };
                if direction == Direction::Upload {
                    goes_on_unseen(rule, Function::Rsync)?;
                }
                if rule.quota.counts_files(direction) {
                    return Err(Refusal::TransferUncounted);
                }
                Ok(Allowed { function: Function::Rsync, transfer: Some(Transfer::Rsync(transfer)) })
            }
            Decision::Allow(Use::Setting | Use::Forward) => Err(Refusal::Fault),
            Decision::Refuse(RefusedFunction::TooLong) => Err(Refusal::TooLarge),
            Decision::Refuse(_) => Err(Refusal::FunctionNotInPlan { function: self.function_name() }),
        }
    }

    /// The function asked for, in one word.
    pub fn function_name(&self) -> String {
        match &self.start {
            Start::Shell => "shell".to_owned(),
            Start::Exec(command) => match sekisho_protocol::ssh::command::read(command) {
                sekisho_protocol::ssh::command::Command::Scp(_) => "scp".to_owned(),
                sekisho_protocol::ssh::command::Command::Rsync(_) => "rsync".to_owned(),
                sekisho_protocol::ssh::command::Command::Plain => "exec".to_owned(),
            },
            Start::Subsystem(name) => super::words::visible(name),
        }
    }

    /// True if an exec command starts a shell that takes its commands from the input.
    pub fn reads_commands(&self) -> bool {
        matches!(&self.start, Start::Exec(command) if sekisho_core::command::reads_commands(&String::from_utf8_lossy(command)))
    }

    /// What was asked for, for the log.
    pub fn ask_text(&self) -> String {
        match &self.start {
            Start::Exec(_) => format!("{}: {}", self.function_name(), self.command_text()),
            Start::Shell | Start::Subsystem(_) => self.function_name(),
        }
    }

    /// The exec command for people; empty for others.
    pub fn command_text(&self) -> String {
        match &self.start {
            Start::Exec(command) => super::words::visible(&String::from_utf8_lossy(command)),
            Start::Shell | Start::Subsystem(_) => String::new(),
        }
    }
}

fn needs(rule: &Rule, right: Right) -> Result<(), Refusal> {
    if rule.rights.has(right) { Ok(()) } else { Err(Refusal::FileRightNotInPlan { right: right.as_str().to_owned() }) }
}

/// Uploads by this function cannot be made to wait.
fn goes_on_unseen(rule: &Rule, function: Function) -> Result<(), Refusal> {
    if rule.room.is_none() { Ok(()) } else { Err(Refusal::UploadNeedsSftp { function: function.as_str().to_owned() }) }
}

/// The functions of a plan in the words of the protocol.
pub fn switched(functions: &BTreeSet<Function>) -> Functions {
    let has = |function| functions.contains(&function);
    Functions {
        shell: has(Function::Shell),
        exec: has(Function::Exec),
        sftp: has(Function::Sftp),
        scp: has(Function::Scp),
        rsync: has(Function::Rsync),
        forward: has(Function::Forward),
    }
}

/// The whole of what a plan can allow. What this plan allows is decided once the plan is known.
pub const ANY: Functions = Functions { shell: true, exec: true, sftp: true, scp: true, rsync: true, forward: true };

fn allows_any(ask: &ChannelAsk<'_>) -> bool {
    matches!(decide(ask, ANY), Decision::Allow(_))
}
