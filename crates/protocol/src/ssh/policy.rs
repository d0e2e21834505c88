//! What may happen on a worker's SSH channel: deny by default, one function of the plan at a time.

use super::command::{self, Command, ScpTransfer};
use super::rsync::RsyncTransfer;
use crate::limits;

/// The SSH functions that a grant allows. The default allows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    /// An interactive shell.
    pub shell: bool,
    /// Single commands.
    pub exec: bool,
    /// Files by the SFTP subsystem.
    pub sftp: bool,
    /// Files by legacy SCP.
    pub scp: bool,
    /// Files by rsync.
    pub rsync: bool,
    /// Local forwards to the places that the plan names.
    pub forward: bool,
}

impl Functions {
    fn any(self) -> bool {
        self.shell || self.exec || self.sftp || self.scp || self.rsync
    }
}

/// What a worker's client asks for, on a session channel or around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelAsk<'a> {
    /// `shell`.
    Shell,
    /// `exec` with its command line, as raw bytes.
    Exec(&'a [u8]),
    /// `subsystem` with its name.
    Subsystem(&'a str),
    /// `pty-req`.
    Pty {
        /// The terminal type.
        term: &'a str,
        /// Columns, as asked for.
        columns: u32,
        /// Rows, as asked for.
        rows: u32,
        /// The length of the encoded modes, in bytes.
        modes: usize,
    },
    /// `env`.
    Env {
        /// The variable.
        name: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// `signal`.
    Signal,
    /// `window-change`.
    WindowChange,
    /// `x11-req`, or an X11 channel.
    X11,
    /// `auth-agent-req@openssh.com`, or an agent channel.
    Agent,
    /// A `direct-tcpip` channel: a local forward.
    DirectTcpip {
        /// The host asked for.
        host: &'a str,
        /// Its port.
        port: u32,
        /// The plan names this very place.
        named: bool,
    },
    /// A `forwarded-tcpip` channel.
    ForwardedTcpip,
    /// The `tcpip-forward` global request: a remote forward.
    TcpipForward,
    /// Any forward of a Unix socket.
    StreamLocal,
    /// A `tun@openssh.com` channel.
    Tun,
    /// Any other request or channel type.
    Other(&'a str),
}

/// What an allowed request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// Starts an interactive shell.
    Shell,
    /// Starts one command.
    Exec,
    /// Starts the SFTP subsystem: its bytes go through [`crate::sftp::Guard`].
    Sftp,
    /// Starts a legacy SCP transfer: its bytes go through [`crate::scp::Guard`].
    Scp(ScpTransfer),
    /// Starts a transfer by rsync.
    Rsync(RsyncTransfer),
    /// Opens a local forward.
    Forward,
    /// Prepares or steers a started function: terminal, environment, signal, size.
    Setting,
}

/// Why a request is refused. Each has its code and its words in the core's refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedFunction {
    /// The plan has no shell.
    Shell,
    /// The plan has no exec, and the command is no transfer by SCP or rsync.
    Exec,
    /// The plan has no SFTP.
    Sftp,
    /// The plan has no SCP.
    Scp,
    /// The plan has no rsync.
    Rsync,
    /// The plan does not name the place that a local forward leads to.
    Place,
    /// A subsystem that Sekisho does not know.
    Subsystem,
    /// A terminal for a plan without shell and exec, or one that asks for the impossible.
    Terminal,
    /// An environment variable outside the list. Clients send many; refusing one is no event.
    Environment,
    /// A signal or size for a channel that may start nothing.
    Setting,
    /// Any other forwarding of ports or sockets, and tunnels.
    Forwarding,
    /// X11.
    X11,
    /// The authentication agent.
    Agent,
    /// Longer than its limit.
    TooLong,
    /// A request or channel type that Sekisho does not know.
    Unknown,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may reach the target.
    Allow(Use),
    /// It may not; the client gets a failure.
    Refuse(RefusedFunction),
}

/// Decides one request. Pure: the same request under the same functions always gets the same answer.
#[must_use]
pub fn decide(ask: &ChannelAsk<'_>, functions: Functions) -> Decision {
    use RefusedFunction as No;
    let when = |allowed: bool, allow: Use, refuse: No| if allowed { Decision::Allow(allow) } else { Decision::Refuse(refuse) };
    match ask {
        ChannelAsk::Shell => when(functions.shell, Use::Shell, No::Shell),
        ChannelAsk::Exec(line) if line.len() > limits::COMMAND_BYTES => Decision::Refuse(No::TooLong),
        ChannelAsk::Exec(line) => match command::read(line) {
            Command::Scp(transfer) => when(functions.scp, Use::Scp(transfer), No::Scp),
            Command::Rsync(transfer) => when(functions.rsync, Use::Rsync(transfer), No::Rsync),
            Command::Plain => when(functions.exec, Use::Exec, No::Exec),
        },
        ChannelAsk::Subsystem(name) if name.len() > limits::SUBSYSTEM_BYTES => Decision::Refuse(No::TooLong),
        ChannelAsk::Subsystem("sftp") => when(functions.sftp, Use::Sftp, No::Sftp),
        ChannelAsk::Subsystem(_) => Decision::Refuse(No::Subsystem),
        ChannelAsk::Pty { term, columns, rows, modes } => {
            let possible = is_term(term) && *columns <= 100_000 && *rows <= 100_000 && *modes <= limits::MODES_BYTES;
            when(possible && (functions.shell || functions.exec), Use::Setting, No::Terminal)
        }
        ChannelAsk::Env { name, value } => {
            when(functions.any() && is_allowed_variable(name, value), Use::Setting, No::Environment)
        }
        ChannelAsk::Signal | ChannelAsk::WindowChange => when(functions.any(), Use::Setting, No::Setting),
        ChannelAsk::X11 => Decision::Refuse(No::X11),
        ChannelAsk::Agent => Decision::Refuse(No::Agent),
        ChannelAsk::DirectTcpip { port, named, .. } if functions.forward => {
            when(*named && (1..=65_535).contains(port), Use::Forward, No::Place)
        }
        ChannelAsk::DirectTcpip { .. }
        | ChannelAsk::ForwardedTcpip
        | ChannelAsk::TcpipForward
        | ChannelAsk::StreamLocal
        | ChannelAsk::Tun => Decision::Refuse(No::Forwarding),
        ChannelAsk::Other(_) => Decision::Refuse(No::Unknown),
    }
}

fn is_term(term: &str) -> bool {
    !term.is_empty()
        && term.len() <= limits::TERM_BYTES
        && term.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
}

/// Language and colours. Anything else could change how the target's programs start (`LD_PRELOAD`, `BASH_ENV`).
fn is_allowed_variable(name: &str, value: &str) -> bool {
    let known = matches!(name, "LANG" | "COLORTERM")
        || name.strip_prefix("LC_").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        });
    known
        && name.len() <= limits::ENV_NAME_BYTES
        && value.len() <= limits::ENV_VALUE_BYTES
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@=:,".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Functions = Functions { shell: true, exec: true, sftp: true, scp: true, rsync: true, forward: true };

    fn asks() -> Vec<ChannelAsk<'static>> {
        vec![
            ChannelAsk::Shell,
            ChannelAsk::Exec(b"id"),
            ChannelAsk::Exec(b"scp -t /tmp"),
            ChannelAsk::Exec(b"rsync --server -re.x . /tmp"),
            ChannelAsk::Subsystem("sftp"),
            ChannelAsk::Subsystem("netconf"),
            ChannelAsk::Pty { term: "xterm-256color", columns: 80, rows: 24, modes: 100 },
            ChannelAsk::Env { name: "LC_ALL", value: "ja_JP.UTF-8" },
            ChannelAsk::Signal,
            ChannelAsk::WindowChange,
            ChannelAsk::X11,
            ChannelAsk::Agent,
            ChannelAsk::DirectTcpip { host: "10.0.0.1", port: 3389, named: true },
            ChannelAsk::ForwardedTcpip,
            ChannelAsk::TcpipForward,
            ChannelAsk::StreamLocal,
            ChannelAsk::Tun,
            ChannelAsk::Other("no-more-sessions@openssh.com"),
        ]
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        for ask in asks() {
            assert!(matches!(decide(&ask, Functions::default()), Decision::Refuse(_)), "{ask:?}");
        }
    }

    #[test]
    fn each_function_opens_itself_alone() {
        let started = |functions| {
            asks()
                .iter()
                .filter_map(|ask| match decide(ask, functions) {
                    Decision::Allow(Use::Setting) | Decision::Refuse(_) => None,
                    Decision::Allow(start) => Some(start),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(started(Functions { shell: true, ..Functions::default() }), [Use::Shell]);
        assert_eq!(started(Functions { exec: true, ..Functions::default() }), [Use::Exec]);
        assert_eq!(started(Functions { sftp: true, ..Functions::default() }), [Use::Sftp]);
        assert!(matches!(started(Functions { scp: true, ..Functions::default() }).as_slice(), [Use::Scp(_)]));
        assert!(matches!(started(Functions { rsync: true, ..Functions::default() }).as_slice(), [Use::Rsync(_)]));
        assert_eq!(started(Functions { forward: true, ..Functions::default() }), [Use::Forward]);
    }

    #[test]
    fn what_no_plan_can_allow_is_refused() {
        for (ask, refusal) in [
            (ChannelAsk::X11, RefusedFunction::X11),
            (ChannelAsk::Agent, RefusedFunction::Agent),
            (ChannelAsk::DirectTcpip { host: "a", port: 1, named: false }, RefusedFunction::Place),
            (ChannelAsk::DirectTcpip { host: "a", port: 0, named: true }, RefusedFunction::Place),
            (ChannelAsk::ForwardedTcpip, RefusedFunction::Forwarding),
            (ChannelAsk::TcpipForward, RefusedFunction::Forwarding),
            (ChannelAsk::StreamLocal, RefusedFunction::Forwarding),
            (ChannelAsk::Tun, RefusedFunction::Forwarding),
            (ChannelAsk::Subsystem("SFTP"), RefusedFunction::Subsystem),
            (ChannelAsk::Other("x"), RefusedFunction::Unknown),
        ] {
            assert_eq!(decide(&ask, ALL), Decision::Refuse(refusal), "{ask:?}");
        }
    }

    #[test]
    fn an_scp_that_hides_a_command_needs_exec() {
        let only_scp = Functions { scp: true, ..Functions::default() };
        assert_eq!(decide(&ChannelAsk::Exec(b"scp -t /tmp;id"), only_scp), Decision::Refuse(RefusedFunction::Exec));
        let only_exec = Functions { exec: true, ..Functions::default() };
        assert_eq!(decide(&ChannelAsk::Exec(b"scp -t /tmp"), only_exec), Decision::Refuse(RefusedFunction::Scp));
    }

    #[test]
    fn environment_is_language_and_colour() {
        let env = |name, value| decide(&ChannelAsk::Env { name, value }, ALL) == Decision::Allow(Use::Setting);
        assert!(env("LANG", "ja_JP.UTF-8"));
        assert!(env("LC_CTYPE", "C"));
        assert!(env("COLORTERM", "truecolor"));
        for (name, value) in [
            ("LD_PRELOAD", "/tmp/x.so"),
            ("BASH_ENV", "/tmp/x"),
            ("PATH", "/tmp"),
            ("LC_", "C"),
            ("LC_a", "C"),
            ("LANG", "() { :; }; id"),
            ("LANG", "a\nb"),
            ("TERM", "xterm"),
        ] {
            assert!(!env(name, value), "{name}={value}");
        }
        let long = "a".repeat(limits::ENV_VALUE_BYTES + 1);
        assert_eq!(
            decide(&ChannelAsk::Env { name: "LANG", value: &long }, ALL),
            Decision::Refuse(RefusedFunction::Environment)
        );
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let long = vec![b'a'; limits::COMMAND_BYTES + 1];
        assert_eq!(decide(&ChannelAsk::Exec(&long), ALL), Decision::Refuse(RefusedFunction::TooLong));
        let name = "s".repeat(limits::SUBSYSTEM_BYTES + 1);
        assert_eq!(decide(&ChannelAsk::Subsystem(&name), ALL), Decision::Refuse(RefusedFunction::TooLong));
        let pty = ChannelAsk::Pty { term: "x;y", columns: 80, rows: 24, modes: 0 };
        assert_eq!(decide(&pty, ALL), Decision::Refuse(RefusedFunction::Terminal));
    }
}
