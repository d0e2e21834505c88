//! Everything has a limit, and every limit has a name. `sekisho doctor` prints this table.

/// A limit, as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: usize,
    /// What is counted.
    pub unit: &'static str,
    /// What it bounds, line by line as it stands in this file.
    pub lines: &'static [&'static str],
}

macro_rules! limits {
    ($($(#[doc = $line:literal])* $name:ident: $unit:literal = $value:expr;)*) => {
        $($(#[doc = $line])* pub const $name: usize = $value;)*
        /// Every limit, in the order of this file.
        pub const ALL: &[Limit] = &[$(Limit { name: stringify!($name), value: $value, unit: $unit, lines: &[$($line),*] }),*];
    };
}

limits! {
    /// A person's login name.
    LOGIN_NAME_CHARS: "characters" = 32;
    /// The name of a target as it stands in the SSH login (`WORKER+TARGET`).
    TARGET_NAME_CHARS: "characters" = 32;
    /// Any one-line field of a form: titles, names, places.
    LINE_CHARS: "characters" = 200;
    /// Any field of several lines: steps, impact, reasons.
    TEXT_CHARS: "characters" = 4_000;
    /// The name of an auditor whose key opens recordings; it stands in each of them.
    AUDITOR_NAME_CHARS: "characters" = 60;
    /// Auditors for whom recordings are wrapped at once, with those who wait for a confirmation.
    AUDITOR_KEYS: "keys" = 8;
    /// Second keys in force at once, with those that wait for a confirmation; a recording names them beside the hospital's and the auditors' keys.
    SECOND_KEYS: "keys" = 7;
    /// Targets that one second key names.
    SECOND_KEY_TARGETS: "targets" = 64;
    /// Recordings in one request to view.
    VIEWING_SESSIONS: "recordings" = 32;
    /// The most hours for which a holder's agreement lasts.
    VIEWING_HOURS: "hours" = 24;
    /// Hours of an agreement unless others are asked for.
    VIEWING_DEFAULT_HOURS: "hours" = 8;
    /// Days for which a request to view waits for a holder.
    VIEWING_ASKED_DAYS: "days" = 7;
    /// Days for which a wish to keep for a shorter time, or to let deleting go on, waits for another person.
    KEEPING_ASKED_DAYS: "days" = 14;
    /// Requests to view of one person that wait or hold at once.
    VIEWING_REQUESTS: "requests" = 20;
    /// Requests to view that one person makes within 24 hours.
    VIEWING_REQUESTS_A_DAY: "requests" = 50;
    /// The text of an agreement: one age file with a share for each recording.
    VIEWING_AGREEMENT_BYTES: "bytes" = 8_192;
    /// The largest recording that goes to an archive: one upload of the protocol takes no more.
    ARCHIVE_COPY_BYTES: "bytes" = 5 << 30;
    /// Seconds for which an archive may say nothing before a transfer is given up.
    ARCHIVE_SECONDS: "seconds" = 30;
    /// Bytes of an archive's answer that is no recording.
    ARCHIVE_ANSWER_BYTES: "bytes" = 65_536;
    /// Hours for which a recording that was carried back from the archive stays on the box.
    ARCHIVE_BACK_HOURS: "hours" = 24;
    /// The fewest days for which a recording stays on the box beside its copy in the archive.
    ARCHIVE_LOCAL_DAYS: "days" = 7;
    /// Hours for which copies may wait for the archive before it is an alarm.
    ARCHIVE_BEHIND_HOURS: "hours" = 24;
    /// Plans of one vendor that are open at once, drafts included; more would crowd out those of others.
    VENDOR_OPEN_PLANS: "plans" = 300;
    /// Files that one plan may have had attached over time, those taken out again included.
    PLAN_FILES_KEPT: "files" = 40;
    /// Targets in one plan.
    PLAN_TARGETS: "items" = 16;
    /// Workers in one plan.
    PLAN_WORKERS: "items" = 32;
    /// Files to bring in, listed in one plan.
    PLAN_FILES: "items" = 64;
    /// Planned commands in one plan.
    PLAN_COMMANDS: "items" = 200;
    /// Command rules of one plan.
    PLAN_RULES: "items" = 50;
    /// Places that the forwards of one target may reach in one plan.
    PLAN_FORWARDS: "items" = 16;
    /// Connections of forwards that the page of one session lists.
    FLOWS_LISTED: "items" = 2_000;
    /// Bytes of a forward kept in full that one page shows.
    FLOW_SHOWN_BYTES: "bytes" = 4_096;
    /// The largest volume that a plan may name as its limit for one direction on one target.
    PLAN_TRANSFER_BYTES: "bytes" = 1 << 40;
    /// The largest number of files that a plan may name as its limit for one direction on one target.
    PLAN_TRANSFER_FILES: "files" = 1_000_000;
    /// Lines of one vendor in the connection register, ended ones included.
    VENDOR_LINES: "items" = 200;
    /// Services of the machine beside Sekisho that a person confirmed.
    EXPOSURE_SERVICES: "items" = 200;
    /// Sources of targets' logs, ended ones included.
    LOG_SOURCES: "items" = 2_000;
    /// Names by which one of them may call itself.
    LOG_SOURCE_HOSTS: "items" = 16;
    /// Further addresses of one target, and those that are remembered from dialling it.
    TARGET_ADDRESSES: "addresses" = 16;
    /// Days for which an address that a target had when it was dialled counts as its own.
    TARGET_ADDRESS_DAYS: "days" = 90;
    /// Longest time that an operator may let a source be silent.
    LOG_SILENT_MINUTES: "minutes" = 7 * 24 * 60;
    /// Connections of log sources at once.
    LOG_CONNECTIONS: "connections" = 1_000;
    /// The same of one source.
    LOG_CONNECTIONS_SOURCE: "connections" = 4;
    /// Handshakes of log sources that have not ended.
    LOG_HANDSHAKES: "connections" = 128;
    /// The same from one address.
    LOG_HANDSHAKES_PER_SOURCE: "connections" = 16;
    /// Time for a handshake of a log source.
    LOG_HANDSHAKE_SECONDS: "seconds" = 10;
    /// Messages of one source in a second, over a while; beyond them its connection waits.
    LOG_RATE: "messages" = 2_000;
    /// Bytes of one source in a second, over a while.
    LOG_RATE_BYTES: "bytes" = 256 * 1024;
    /// Bytes that one source may send at once.
    LOG_BURST_BYTES: "bytes" = 8 * 1024 * 1024;
    /// Bytes of one source that are kept of one day; what is beyond them is counted as lost. Without it one host pushes the
    /// lines of all others off the disk.
    LOG_DAY_BYTES: "bytes" = 256 * 1024 * 1024;
    /// What must be free for lines to be written down: well before sessions are refused for want of room, lines wait.
    LOG_RESERVE_BYTES: "bytes" = 3 * DISK_RESERVE_BYTES;
    /// What waits to be written down, of all sources together; whoever sends more waits.
    LOG_WAITING_KIB: "kibibytes" = 64 * 1024;
    /// Difference between a device's clock and ours that is told.
    LOG_SKEW_SECONDS: "seconds" = 60;
    /// Logins that wait for the entry that explains them.
    LOG_PENDING: "items" = 10_000;
    /// Open cases on one target, those that are critical left out; what comes beyond is one case together, and hides nothing of others.
    CASES_OPEN: "items" = 50;
    /// Open cases on one target that are critical.
    CASES_OPEN_CRITICAL: "items" = 500;
    /// Open cases of one imported file and one weight; what comes beyond is one case for each rule, and takes no room of others.
    CASES_IMPORTED: "items" = 100;
    /// Lines that one case shows, the newest.
    CASE_LINES: "items" = 20;
    /// Characters of each of them.
    CASE_LINE_CHARS: "characters" = 400;
    /// A file of a target's log that is read in.
    LOG_IMPORT_BYTES: "bytes" = 32 * 1024 * 1024;
    /// Records of one such file that tell of a login.
    LOG_IMPORT_LOGINS: "items" = 200_000;
    /// Such files that are kept, of all targets.
    LOG_IMPORTS: "items" = 1_000;
    /// By how much the clock of a file's machine may be off, as the person says who reads it in.
    LOG_IMPORT_CLOCK_SECONDS: "seconds" = 3_600;
    /// Accounts that one case names.
    CASE_ACCOUNTS: "items" = 16;
    /// Bytes of the line that a case shows; all of it is kept with the others.
    CASE_LINE_BYTES: "bytes" = 4_096;
    /// Failed attempts of one kind within ten minutes that are a case.
    CASE_ATTEMPTS: "items" = 5;
    /// Entries of the list of logins that may go round the gateway.
    LOGIN_ALLOWS: "items" = 200;
    /// Longest time that one of them holds.
    LOGIN_ALLOW_DAYS: "days" = 366;
    /// Devices of one vendor in the register, ended ones included.
    VENDOR_DEVICES: "items" = 2_000;
    /// Networks from which the connections of one line reach Sekisho.
    LINE_ADDRESSES: "items" = 64;
    /// Spans of the week in which one line may be used.
    LINE_TIMES: "items" = 16;
    /// Countries from which one line may be used.
    LINE_COUNTRIES: "items" = 60;
    /// All files of one table of countries together. Those of the five registries have about 30 MB.
    COUNTRY_FILE_BYTES: "bytes" = 64 * 1024 * 1024;
    /// Rows of all files of one table of countries that name a country.
    COUNTRY_ROWS: "items" = 2_000_000;
    /// Spans of addresses in the table of countries, after neighbours were joined.
    COUNTRY_SPANS: "items" = 600_000;
    /// Places of one table of countries that its rows give to different countries; with more, the files do not belong together.
    COUNTRY_CONFLICTS: "items" = 1_000;
    /// Age from which a table of countries is called old: addresses move, and a line is then refused or let in wrongly.
    COUNTRY_AGE_DAYS: "days" = 90;
    /// Persons named for one device.
    DEVICE_PERSONS: "items" = 100;
    /// Fixed addresses of one device.
    DEVICE_ADDRESSES: "items" = 16;
    /// Longest time for which the check of a terminal may be said to hold.
    DEVICE_CHECK_DAYS: "days" = 400;
    /// Tokens of one person or robot that are open at once.
    TOKENS: "tokens" = 10;
    /// Accounts in one review.
    REVIEW_LINES: "accounts" = 2_000;
    /// Networks of one token.
    TOKEN_SOURCES: "items" = 16;
    /// Longest life of a token that a hospital can set.
    TOKEN_DAYS: "days" = 365;
    /// Uses of tokens from one source that are refused within ten minutes, before it must wait.
    TOKEN_FAILURES: "tries" = 30;
    /// Passkeys of one person.
    PASSKEYS: "passkeys" = 10;
    /// Ceremonies of passkeys that are under way at once; beyond it the oldest ends.
    PASSKEY_CEREMONIES: "ceremonies" = 2_000;
    /// Ceremonies of one source that are under way at once; beyond it its oldest ends.
    PASSKEY_CEREMONIES_SOURCE: "ceremonies" = 64;
    /// Life of one ceremony: from the button to the touch of the key.
    PASSKEY_SECONDS: "seconds" = 300;
    /// What a browser sends at the end of a ceremony.
    PASSKEY_ANSWER_BYTES: "bytes" = 32 * 1024;
    /// Recovery codes of one person.
    RECOVERY_CODES: "codes" = 10;
    /// Wrong hand-over codes after which the link ends.
    HANDOVER_TRIES: "tries" = 5;
    /// The file that proves an identity check.
    IDENTITY_PROOF_BYTES: "bytes" = 8 * 1024 * 1024;
    /// Key windows that one worker may have open at once.
    KEY_WINDOWS: "windows" = 3;
    /// Sessions that one key window lets in; a program that copies many files opens one for each.
    KEY_WINDOW_SESSIONS: "sessions" = 200;
    /// Longest key window that the hospital's policy may allow.
    KEY_WINDOW_MINUTES: "minutes" = 60;
    /// Command rules of one class of targets.
    CLASS_RULES: "items" = 200;
    /// Stars in the pattern of one rule.
    PATTERN_STARS: "stars" = 8;
    /// Simple commands of one command line that are judged; a line of more is refused where a rule can refuse.
    COMMAND_PARTS: "items" = 1_000;
    /// Command lines inside each other (`sh -c` in `sh -c`) that are judged.
    COMMAND_DEPTH: "levels" = 4;
    /// Readings of one simple command (`sudo env nice …`).
    COMMAND_FORMS: "items" = 12;
    /// Comparisons of words that the judgement of one command line may cost.
    COMMAND_STEPS: "comparisons" = 1_000_000;
    /// Time for a person of the hospital to decide on a command that waits; then it is refused.
    HOLD_SECONDS: "seconds" = 600;
    /// Time for a person of the hospital to decide on an upload that waits; then it is refused. Looking into a file takes
    /// longer than reading a command.
    HOLD_FILE_SECONDS: "seconds" = 1_800;
    /// A command line that waits for a person, who must see all of it; a longer one is refused. It also fits into one
    /// frame of the recording.
    HELD_LINE_CHARS: "characters" = 1_500;
    /// Commands of one session that may wait for a decision at once.
    HELD_COMMANDS: "items" = 16;
    /// The path of an upload that waits for a person, who must see all of it; one with a longer path is refused.
    HELD_PATH_CHARS: "characters" = 500;
    /// Uploads of one session that may wait for a decision at once.
    HELD_UPLOADS: "files" = 16;
    /// Commands of one session that rules name, and uploads that waited, which the log keeps; more of them are refused.
    SESSION_RULINGS: "entries" = 2_000;
    /// Input of a terminal that is kept while one of its commands waits.
    HOLD_BYTES: "bytes" = 64 * 1024;
    /// Source networks in one plan.
    PLAN_SOURCES: "items" = 16;
    /// Attachments of one plan.
    PLAN_ATTACHMENTS: "items" = 10;
    /// Size of one attachment.
    ATTACHMENT_BYTES: "bytes" = 10 * 1024 * 1024;
    /// Files of forms that came back with errors, kept in memory for the next sending, of all persons.
    FORM_FILES_BYTES: "bytes" = 96 * 1024 * 1024;
    /// Forms of one person whose files are kept at once.
    FORM_FILES_SETS: "items" = 2;
    /// How long they are kept.
    FORM_FILES_SECONDS: "seconds" = 1_800;
    /// Findings of one reconciliation; more of one kind are folded into the last.
    FINDINGS: "items" = 500;
    /// A password; longer ones are refused before they are hashed.
    PASSWORD_CHARS: "characters" = 128;
    /// Public keys that one worker may register.
    WORKER_KEYS: "items" = 10;
    /// Failed logins in a row before a person is locked out.
    LOGIN_FAILURES: "tries" = 5;
    /// Failed logins from one source address in ten minutes before it must wait.
    SOURCE_FAILURES: "tries" = 30;
    /// Steps of 30 s by which a one-time code may be early or late (RFC 6238 section 5.2).
    TOTP_SKEW_STEPS: "steps" = 1;
    /// Connections held before login, all sources together.
    HANDSHAKES: "connections" = 256;
    /// Connections held before login from one source address.
    HANDSHAKES_PER_SOURCE: "connections" = 32;
    /// Time until the first factor of an SSH login holds; who has shown nothing by then is sent away.
    FIRST_FACTOR_SECONDS: "seconds" = 30;
    /// Time for the whole SSH login, the one-time code included.
    LOGIN_SECONDS: "seconds" = 120;
    /// Public keys that one connection may offer before it is closed.
    KEY_OFFERS: "keys" = 20;
    /// First factors that one connection may try.
    LOGIN_TRIES: "tries" = 6;
    /// One-time codes that one connection may try.
    CODE_TRIES: "tries" = 3;
    /// Time to reach a target and to log in there.
    DIAL_SECONDS: "seconds" = 10;
    /// Login name on a target that a certificate may be made out to.
    PRINCIPAL_CHARS: "characters" = 64;
    /// Life of a target's certificate: the connection is opened at once, so it need not outlive the dialling by much.
    CERTIFICATE_SECONDS: "seconds" = 300;
    /// How far a target's clock may stand behind ours for its certificate to count as begun.
    CERTIFICATE_SKEW_SECONDS: "seconds" = 120;
    /// Addresses of this box that its certificates may be bound to.
    CERTIFICATE_SOURCES: "items" = 8;
    /// Connection tests of one account in ten minutes; a target may lock the account after failures.
    ACCOUNT_TESTS: "tests" = 5;
    /// Looks at host keys in ten minutes, all administrators together.
    HOST_KEY_SCANS: "looks" = 30;
    /// Refused asks of one session (forwards and the like) that are written into the log.
    SESSION_REFUSALS: "entries" = 100;
    /// Sessions open at once on this box.
    SESSIONS: "sessions" = 512;
    /// Channels open at once in one session.
    SESSION_CHANNELS: "channels" = 10;
    /// Local forwards open at once in one session.
    SESSION_FORWARDS: "channels" = 64;
    /// Time between two entries of what a forward or an rsync transfer carried.
    FLOW_SECONDS: "seconds" = 10;
    /// Time after the login for the first channel or forward.
    FIRST_ASK_SECONDS: "seconds" = 900;
    /// Time to write down what was refused when a client leaves at once.
    REFUSAL_SECONDS: "seconds" = 3;
    /// Environment variables accepted on one channel.
    CHANNEL_ENV: "items" = 32;
    /// An exec command line.
    EXEC_BYTES: "bytes" = 32 * 1024;
    /// One entry that a running session may add to the log (a command, a file).
    SESSION_NOTES: "entries" = 20_000;
    /// The most that a hospital may have kept of one file's content, and of one session's files.
    KEEP_MIB: "MiB" = 16 * 1024;
    /// Content of one file that is taken out of a recording although its parts went over in another order than that of
    /// the file, or left gaps. It costs one reading of the recording for each [`KEPT_WINDOW_BYTES`].
    KEPT_SCATTERED_BYTES: "bytes" = 1024 * 1024 * 1024;
    /// What is held in memory of such a file at a time.
    KEPT_WINDOW_BYTES: "bytes" = 64 * 1024 * 1024;
    /// Contents of files that are taken out of recordings at once.
    KEPT_TAKEN_AT_ONCE: "files" = 4;
    /// Evidence bundles that are put together at once.
    EVIDENCE_AT_ONCE: "bundles" = 2;
    /// Days of one evidence bundle for whoever may not have all entries.
    EVIDENCE_PERIOD_DAYS: "days" = 31;
    /// How long a piece of an evidence bundle waits for whoever takes it.
    EVIDENCE_STALL_SECONDS: "seconds" = 60;
    /// How long an evidence bundle may take on its way in all.
    EVIDENCE_MINUTES: "minutes" = 240;
    /// Entries that the report of an evidence bundle tells as sentences; the rest are in its lines.
    EVIDENCE_REPORTED: "entries" = 10_000;
    /// Entries of one evidence bundle.
    EVIDENCE_ENTRIES: "entries" = 5_000_000;
    /// Recordings of one evidence bundle.
    EVIDENCE_RECORDINGS: "recordings" = 20_000;
    /// Plans of one evidence bundle.
    EVIDENCE_PLANS: "plans" = 1_000;
    /// Checkpoints from outside that are handed in with the wish for an evidence bundle.
    EVIDENCE_CHECKPOINTS: "checkpoints" = 8;
    /// Reviews of the log and reports in one evidence bundle.
    EVIDENCE_PAPERS: "papers" = 500;
    /// Time stamps in one evidence bundle: one an hour for a month.
    EVIDENCE_TIMESTAMPS: "time stamps" = 750;
    /// Watchers of one running session.
    WATCHERS: "watchers" = 16;
    /// Pauses of one session; beyond it there is the cut.
    SESSION_PAUSES: "pauses" = 500;
    /// Messages to the terminals of one session.
    SESSION_SAYINGS: "messages" = 500;
    /// Chat lines of one session.
    SESSION_CHAT: "lines" = 2_000;
    /// Chat lines of one person within a minute.
    CHAT_A_MINUTE: "lines" = 20;
    /// Marks of one session that are set while it runs, and as many afterwards.
    SESSION_MARKS: "marks" = 500;
    /// Acts upon a running session that are kept to show them to whoever begins to watch.
    SESSION_TALK: "acts" = 200;
    /// Time without a sign of the visible page after which a witness counts as gone.
    WITNESS_LOST_SECONDS: "seconds" = 15;
    /// Time without a witness after which a session that demands one ends.
    WITNESS_WAIT_SECONDS: "seconds" = 30 * 60;
    /// TLS connections of browsers and API clients held at once.
    WEB_CONNECTIONS: "connections" = 512;
    /// The same from one source address.
    WEB_CONNECTIONS_PER_SOURCE: "connections" = 64;
    /// Time for a TLS handshake.
    WEB_HANDSHAKE_SECONDS: "seconds" = 10;
    /// Time for the head of a request, and for which an idle connection is kept.
    WEB_HEAD_SECONDS: "seconds" = 30;
    /// Head of a request.
    WEB_HEAD_BYTES: "bytes" = 32 * 1024;
    /// Time for the body of a request.
    WEB_BODY_SECONDS: "seconds" = 60;
    /// Time for an answer to begin.
    WEB_REQUEST_SECONDS: "seconds" = 60;
    /// Body of a form or an API request.
    REQUEST_BYTES: "bytes" = 256 * 1024;
    /// Connections at the outer door before their handshake has ended, all sources together.
    DOOR_HANDSHAKES: "connections" = 256;
    /// The same from one source address.
    DOOR_HANDSHAKES_PER_SOURCE: "connections" = 32;
    /// Time for a handshake at the outer door, with the line that names the target.
    DOOR_HANDSHAKE_SECONDS: "seconds" = 10;
    /// Tunnels to the SSH gateway held at once; there are as many as sessions, and those that log in.
    DOOR_TUNNELS: "tunnels" = 768;
    /// Tunnels of one device at once: a person works on some targets side by side, and copies files.
    DOOR_TUNNELS_PER_DEVICE: "tunnels" = 64;
    /// Time after a revocation in which the workers of running tunnels read why, before the tunnels are cut.
    DOOR_GOODBYE_SECONDS: "seconds" = 2;
    /// A device's certificate.
    CERTIFICATE_BYTES: "bytes" = 4_096;
    /// What a device sends for a certificate, and what it is answered.
    CERTIFICATE_ASK_BYTES: "bytes" = 16 * 1024;
    /// Time for the exchange of a code, or of a certificate, for a certificate.
    CERTIFICATE_ASK_SECONDS: "seconds" = 30;
    /// Requests for a login by certificate that wait for their person, all devices together.
    SSH_LOGIN_ASKS: "requests" = 256;
    /// The same of one device; a further one pushes out the oldest.
    SSH_LOGIN_ASKS_PER_DEVICE: "requests" = 4;
    /// Time for a person to confirm in the browser that their device may log in.
    SSH_LOGIN_ASK_SECONDS: "seconds" = 300;
    /// What a device sends to ask for a login.
    SSH_LOGIN_ASK_BYTES: "bytes" = 4_096;
    /// Public key, as a line, of a login by certificate.
    SSH_LOGIN_KEY_BYTES: "bytes" = 1_024;
    /// Certificate of a login, as a line, that a client can show.
    SSH_LOGIN_CERTIFICATE_BYTES: "bytes" = 8_192;
    /// Plans that a login by certificate names.
    SSH_LOGIN_PLANS: "items" = 20;
    /// Targets that a device is told of with its login.
    SSH_LOGIN_TARGETS: "items" = 200;
    /// Logins by certificate of one person at once; a further one ends the oldest.
    SSH_LOGINS: "logins" = 5;
    /// Longest life of a login by certificate that a hospital can set.
    SSH_LOGIN_HOURS: "hours" = 24;
    /// Wrong tries of one code for a device; then the code has ended.
    DEVICE_CODE_TRIES: "tries" = 5;
    /// Longest life of a code for a device that a hospital can set.
    DEVICE_CODE_MINUTES: "minutes" = 24 * 60;
    /// Longest life of a device's certificate that a hospital can set.
    DEVICE_CERTIFICATE_DAYS: "days" = 398;
    /// Hours for which a certificate still holds after another one took its place: the answer may have been lost on its way.
    DEVICE_CERTIFICATE_OVERLAP_HOURS: "hours" = 24;
    /// Devices that one person may declare lost within a day without a fresh factor.
    DEVICE_LOSSES_A_DAY: "devices" = 3;
    /// Certificates that one device may renew within a day.
    DEVICE_RENEWALS_A_DAY: "certificates" = 5;
    /// Refused certificates from one source that are written into the log within ten minutes; the others are counted.
    CERTIFICATE_REFUSALS: "entries" = 5;
    /// Refused certificates of all sources that are written into the log within ten minutes.
    CERTIFICATE_REFUSALS_ALL: "entries" = 100;
    /// Emergency accounts of one hospital that are in service.
    EMERGENCY_ACCOUNTS: "accounts" = 20;
    /// Persons who are told when an emergency account is opened.
    EMERGENCY_TOLD: "persons" = 20;
    /// Openings by the envelopes within one use of an emergency account; there are no more codes than that.
    EMERGENCY_CODES: "codes" = 20;
    /// A mail address (RFC 5321 section 4.5.3.1.3, without the angle brackets).
    MAIL_ADDRESS_BYTES: "bytes" = 254;
    /// Mails that wait in the outbox; urgent ones may be twice as many.
    MAILS_WAITING: "mails" = 2_000;
    /// Hours after which a mail that could not be delivered is written into the log.
    MAIL_LATE_HOURS: "hours" = 4;
    /// Hours after which a mail that could not be delivered is given up.
    MAIL_HOURS: "hours" = 72;
    /// Days for which the outbox shows what became of a mail; the log keeps it for ever.
    MAIL_DAYS: "days" = 30;
    /// Time for handing one mail to the server.
    MAIL_SECONDS: "seconds" = 60;
    /// One syslog message (RFC 5425 section 4.3.1 asks receivers to take 2,048 and commends 8,192).
    SYSLOG_MESSAGE_BYTES: "bytes" = 8_192;
    /// The value of one parameter in the structured data of a syslog message.
    SYSLOG_PARAM_CHARS: "characters" = 1_000;
    /// The words of a syslog message.
    SYSLOG_TEXT_CHARS: "characters" = 4_000;
    /// Time for handing a batch to a syslog server, and for its end of the connection.
    SYSLOG_SECONDS: "seconds" = 20;
    /// What a witness of the log answers, and a checkpoint with its proof that it is sent.
    WITNESS_ANSWER_BYTES: "bytes" = 32 * 1024;
    /// Time for one question to a witness.
    WITNESS_SECONDS: "seconds" = 15;
    /// Questions that a witness answers at once.
    WITNESS_AT_ONCE: "questions" = 64;
    /// Logs that one witness follows.
    WITNESS_LOGS: "logs" = 1_000;
    /// Contradictions of the log that are held at once; each is an entry, and one is enough to admit nobody.
    LOG_CONTRADICTIONS: "contradictions" = 64;
    /// Questions of one address that a witness answers at once.
    WITNESS_OF_ADDRESS: "questions" = 4;
    /// Seconds between the time of a time stamp and the clock beyond which one of them is wrong.
    TIMESTAMP_CLOCK_SECONDS: "seconds" = 300;
    /// Seconds of steps of the clock forward, added up, that are believed without time servers or a person.
    CLOCK_STEP_SECONDS: "seconds" = 3_600;
    /// Days between the last entry of the log and the clock of a box that starts which are believed without time servers or a person.
    CLOCK_REST_DAYS: "days" = 7;
    /// Heads under their own names that are read of a folder outside, the largest first, beside the newest.
    FOLDER_HEADS: "heads" = 16;
    /// Places outside of the box that may be configured for checkpoints.
    OUTSIDE_PLACES: "places" = 16;
    /// Time servers that may be configured.
    TIME_SERVERS: "servers" = 8;
    /// Addresses that are told of alarms besides the persons.
    MAIL_ALARM_ADDRESSES: "addresses" = 20;
    /// Time for one question to a directory or sign-in provider, from the first packet to the last.
    DIRECTORY_SECONDS: "seconds" = 8;
    /// Time in which a directory that did not answer is not asked again, so that nobody waits in line behind it.
    DIRECTORY_REST_SECONDS: "seconds" = 15;
    /// One message of a directory, and one answer of a sign-in provider.
    DIRECTORY_MESSAGE_BYTES: "bytes" = 512 * 1024;
    /// All that a directory may send in answer to one question.
    DIRECTORY_ANSWER_BYTES: "bytes" = 8 * 1024 * 1024;
    /// Depth of a directory's message; those of a search have six.
    DIRECTORY_DEPTH: "levels" = 24;
    /// A name, distinguished name or identifier that a directory or provider gives.
    DIRECTORY_VALUE_BYTES: "bytes" = 512;
    /// Questions to one directory at once.
    DIRECTORY_AT_ONCE: "questions" = 8;
    /// Minutes between two looks at the accounts of linked persons.
    DIRECTORY_SURVEY_MINUTES: "minutes" = 15;
    /// Directories and sign-in providers that may be configured.
    DIRECTORY_SOURCES: "sources" = 64;
    /// Groups that one directory may map to roles.
    DIRECTORY_GROUPS: "groups" = 32;
    /// Sign-ins at providers that wait for their answer at once.
    SIGN_INS: "sign-ins" = 2_000;
    /// The same from one source address.
    SIGN_INS_SOURCE: "sign-ins" = 64;
    /// Time for a sign-in at a provider, and for the factor after it.
    SIGN_IN_SECONDS: "seconds" = 600;
    /// Time for one answer of the token or HSM that certifies devices.
    TOKEN_ANSWER_SECONDS: "seconds" = 5;
    /// Free disk space below which no session is admitted.
    DISK_RESERVE_BYTES: "bytes" = 256 * 1024 * 1024;
    /// Longest window of one plan.
    PLAN_WINDOW_HOURS: "hours" = 7 * 24;
    /// Longest emergency window, and longest single extension.
    EMERGENCY_HOURS: "hours" = 12;
    /// Output of one session that is taken into the search index; beyond it the session is marked.
    SEARCH_OUTPUT_BYTES: "bytes" = 16 * 1024 * 1024;
    /// Entries of the log that one trace reads back through.
    TRACE_SCANNED: "entries" = 300_000;
    /// Entries that one trace shows.
    TRACE_ENTRIES: "entries" = 500;
    /// Sessions that one trace shows.
    TRACE_SESSIONS: "sessions" = 100;
    /// A query of the search.
    SEARCH_CHARS: "characters" = 200;
    /// Address of a page to come back to after a login or a code: the longest search, each character escaped.
    RETURN_PATH_BYTES: "bytes" = 4_096;
    /// Words of one query; each costs a walk along its places.
    SEARCH_WORDS: "words" = 12;
    /// Pages of one search; who has not found it by then needs another word.
    SEARCH_PAGES: "pages" = 20;
    /// Hours for which an alarm takes further entries of its group; after them another one is raised.
    ALARM_GROUP_HOURS: "hours" = 24;
    /// Alarms of a level or graver that one rule raises within an hour; what comes beyond stands in one alarm of that level.
    ALARMS_AN_HOUR: "alarms" = 30;
    /// The same for those that are critical.
    CRITICAL_ALARMS_AN_HOUR: "alarms" = 120;
    /// After so long a flood of critical alarms is told anew.
    ALARM_FLOOD_MINUTES: "minutes" = 10;
    /// Entries that an alarm lists; further ones are counted.
    ALARM_ENTRIES: "entries" = 100;
    /// Persons and addresses that are told of one alarm by mail.
    ALARM_MAILS: "mails" = 40;
    /// Pieces that wait for one receiver of alarms; beyond them the oldest go.
    ALARMS_WAITING: "pieces" = 50_000;
    /// Days for which closed alarms are listed; the log keeps them for ever.
    ALARM_DAYS: "days" = 400;
    /// Receivers of alarms and events.
    RECEIVERS: "receivers" = 8;
    /// Entries that go to a receiver of events at once.
    EVENTS_AT_ONCE: "entries" = 100;
    /// Time for a receiver to take what it is handed.
    RECEIVER_SECONDS: "seconds" = 20;
    /// Answer of a receiver that is read.
    RECEIVER_ANSWER_BYTES: "bytes" = 4_096;
    /// Refusals of one piece by a receiver after which it goes without its details.
    RECEIVER_REFUSALS: "refusals" = 5;
    /// The least time over which they must come.
    RECEIVER_REFUSAL_MINUTES: "minutes" = 10;
    /// Minutes for which a receiver takes nothing before that is written into the log.
    RECEIVER_DOWN_MINUTES: "minutes" = 5;
    /// Days for which anything is kept at least, whatever the hospital sets (Budapest Convention art. 16).
    RETENTION_FLOOR_DAYS: "days" = 90;
    /// Days for which a class can be kept at most; beyond it a hold is meant.
    RETENTION_LONGEST_DAYS: "days" = 36_500;
    /// Days for which something stands on the page before it is deleted.
    RETENTION_NOTICE_DAYS: "days" = 14;
    /// Things that one round of deleting takes.
    DELETIONS_AT_ONCE: "things" = 100;
    /// Unsigned entries that one wish to let deleting go on can name; those besides take another wish.
    DOUBTED_AT_ONCE: "entries" = 50;
    /// Letters of an unsigned entry that the page shows.
    DOUBTED_TEXT_CHARS: "characters" = 400;
    /// Days of a hold on a request of the police (Code of Criminal Procedure art. 197(3)).
    HOLD_POLICE_DAYS: "days" = 30;
    /// The same with its extension (art. 197(4)).
    HOLD_POLICE_LONGEST_DAYS: "days" = 60;
    /// Days for which the copies of what is held are locked in the archive at least.
    HOLD_LOCK_LEAST_DAYS: "days" = 120;
    /// Days for which they are locked when that is prolonged: a lock cannot be taken back, and lasts as long after the hold.
    HOLD_LOCK_DAYS: "days" = 180;
    /// Holds that stand at once.
    HOLDS: "holds" = 200;
    /// Bytes a second that the check of old recordings reads.
    RECHECK_BYTES_SECOND: "bytes a second" = 8 * 1024 * 1024;
    /// Lines of one section of a review of the log; what comes beyond is one line that says how many.
    LOG_REVIEW_SECTION_LINES: "lines" = 60;
    /// Entries that a line of such a review names; further ones are counted.
    LOG_REVIEW_LINE_ENTRIES: "entries" = 20;
    /// Earlier judgements that a line of such a review shows; the log has each of them.
    LOG_REVIEW_CHANGES: "judgements" = 20;
    /// Characters of the note of one judgement.
    LOG_REVIEW_NOTE_CHARS: "characters" = 500;
    /// Bytes of a review with all its judgements: a bundle reads documents of 16 MiB.
    LOG_REVIEW_BYTES: "bytes" = 15 * 1024 * 1024;
    /// Entries of the log in one export; more are had in several, by date.
    LOG_EXPORT_ENTRIES: "entries" = 100_000;
    /// Exports of the log by one login within an hour.
    LOG_EXPORTS_HOUR: "requests" = 120;
    /// Characters of the kind of entry that a list of the log asks for.
    LOG_KIND_CHARS: "characters" = 64;
    /// Sessions that a draw takes at most.
    LOG_REVIEW_SAMPLE: "sessions" = 100;
    /// Entries that a review or report of one span reads at most.
    SPAN_ENTRIES: "entries" = 20_000_000;
    /// Rows of one table of a report.
    REPORT_ROWS: "rows" = 200;
    /// Editions of the report on one span.
    REPORT_EDITIONS: "editions" = 50;
    /// Rows on one page of a list.
    PAGE_ROWS: "rows" = 50;
}
