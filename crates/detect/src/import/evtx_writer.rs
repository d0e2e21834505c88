//! Writes event logs as Windows lays them out, for tests: one chunk, a template for each kind of event, and its values.

/// One event.
pub struct Event {
    pub id: u16,
    pub provider: &'static str,
    pub channel: &'static str,
    pub computer: &'static str,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Names of `Data` and their values; a name that begins with `/` is an element of `UserData` instead.
    pub data: Vec<(&'static str, String)>,
}

struct Chunk {
    bytes: Vec<u8>,
    templates: Vec<(String, usize)>,
}

impl Chunk {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn place(&mut self, at: usize) {
        self.put(&u32::try_from(at).unwrap().to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.put(&units);
    }

    /// The place of a name, and the name, which stands there for the first time.
    fn name(&mut self, name: &str) {
        self.place(self.bytes.len() + 4);
        self.put(&[0; 4]);
        let hash = name.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(65_599).wrapping_add(u32::from(unit)));
        self.put(&u16::try_from(hash & 0xffff).unwrap().to_le_bytes());
        self.put(&u16::try_from(name.encode_utf16().count()).unwrap().to_le_bytes());
        self.text(name);
        self.put(&[0, 0]);
    }

    fn element(&mut self, name: &str, attributes: &[(&str, Attribute<'_>)], inner: impl FnOnce(&mut Self)) {
        self.put(&[if attributes.is_empty() { 0x01 } else { 0x41 }, 0xff, 0xff]);
        let size_at = self.bytes.len();
        self.put(&[0; 4]);
        self.name(name);
        if !attributes.is_empty() {
            let list_at = self.bytes.len();
            self.put(&[0; 4]);
            for (nth, (name, value)) in attributes.iter().enumerate() {
                self.put(&[if nth + 1 < attributes.len() { 0x46 } else { 0x06 }]);
                self.name(name);
                match value {
                    Attribute::Text(text) => {
                        self.put(&[0x05, 0x01]);
                        self.put(&u16::try_from(text.encode_utf16().count()).unwrap().to_le_bytes());
                        self.text(text);
                    }
                    Attribute::Value(value, kind) => self.substitute(*value, *kind),
                }
            }
            self.fill(list_at);
        }
        self.put(&[0x02]);
        inner(self);
        self.put(&[0x04]);
        self.fill(size_at);
    }

    fn substitute(&mut self, value: u16, kind: u8) {
        self.put(&[0x0d]);
        self.put(&value.to_le_bytes());
        self.put(&[kind]);
    }

    fn fill(&mut self, at: usize) {
        let length = u32::try_from(self.bytes.len() - at - 4).unwrap();
        self.bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn template(&mut self, event: &Event) {
        self.put(&[0x0f, 1, 1, 0]);
        self.element("Event", &[], |chunk| {
            chunk.element("System", &[], |chunk| {
                chunk.element("Provider", &[("Name", Attribute::Text(event.provider))], |_| {});
                chunk.element("EventID", &[], |chunk| chunk.substitute(0, 0x06));
                chunk.element("TimeCreated", &[("SystemTime", Attribute::Value(1, 0x11))], |_| {});
                chunk.element("Channel", &[], |chunk| chunk.substitute(2, 0x01));
                chunk.element("Computer", &[], |chunk| chunk.substitute(3, 0x01));
            });
            let own = event.data.iter().any(|(name, _)| name.starts_with('/'));
            chunk.element(if own { "UserData" } else { "EventData" }, &[], |chunk| {
                for (nth, (name, _)) in event.data.iter().enumerate() {
                    let value = u16::try_from(nth + 4).unwrap();
                    match name.strip_prefix('/') {
                        Some(name) => chunk.element(name, &[], |chunk| chunk.substitute(value, 0x01)),
                        None => chunk.element("Data", &[("Name", Attribute::Text(name))], |chunk| chunk.substitute(value, 0x01)),
                    }
                }
            });
        });
        self.put(&[0x00]);
    }

    fn record(&mut self, number: u64, event: &Event) {
        let begin = self.bytes.len();
        let time = u64::try_from(event.at + 11_644_473_600_000).unwrap() * 10_000;
        self.put(&0x2a2a_u32.to_le_bytes());
        self.put(&[0; 4]);
        self.put(&number.to_le_bytes());
        self.put(&time.to_le_bytes());
        self.put(&[0x0f, 1, 1, 0, 0x0c, 1]);
        let kind = format!("{}{}{:?}", event.provider, event.id, event.data.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        self.put(&u32::from(event.id).to_le_bytes());
        match self.templates.iter().find(|(known, _)| *known == kind).map(|(_, at)| *at) {
            Some(at) => self.place(at),
            None => {
                self.place(self.bytes.len() + 4);
                self.templates.push((kind, self.bytes.len()));
                self.put(&[0; 4]);
                self.put(&[u8::try_from(event.id & 0xff).unwrap(); 16]);
                let size_at = self.bytes.len();
                self.put(&[0; 4]);
                self.template(event);
                self.fill(size_at);
            }
        }
        let units = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let mut values = vec![(0x06_u8, event.id.to_le_bytes().to_vec()), (0x11, time.to_le_bytes().to_vec()), (0x01, units(event.channel)), (0x01, units(event.computer))];
        values.extend(event.data.iter().map(|(_, value)| (0x01, units(value))));
        self.place(values.len());
        for (kind, bytes) in &values {
            self.put(&u16::try_from(bytes.len()).unwrap().to_le_bytes());
            self.put(&[*kind, 0]);
        }
        for (_, bytes) in &values {
            self.put(bytes);
        }
        self.put(&[0x00]);
        let length = u32::try_from(self.bytes.len() + 4 - begin).unwrap().to_le_bytes();
        self.bytes[begin + 4..begin + 8].copy_from_slice(&length);
        self.put(&length);
    }
}

enum Attribute<'a> {
    Text(&'a str),
    Value(u16, u8),
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 }))
}

/// A file of one chunk. The first record has this number.
pub fn evtx(first: u64, events: &[Event]) -> Vec<u8> {
    let mut chunk = Chunk { bytes: vec![0; 512], templates: Vec::new() };
    let mut last_at = 512;
    for (number, event) in (first..).zip(events) {
        last_at = chunk.bytes.len();
        chunk.record(number, event);
    }
    let mut bytes = chunk.bytes;
    let free = u32::try_from(bytes.len()).unwrap();
    assert!(bytes.len() <= 65_536, "more than a chunk");
    let last = first + events.len() as u64 - 1;
    let sum = crc32(&bytes[512..]);
    bytes.resize(65_536, 0);
    bytes[..8].copy_from_slice(b"ElfChnk\0");
    for (at, number) in [(8, first), (16, last), (24, first), (32, last)] {
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    for (at, number) in [(0x28, 128), (0x2c, u32::try_from(last_at).unwrap()), (0x30, free), (0x34, sum)] {
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    let head: Vec<u8> = bytes[..0x78].iter().chain(&bytes[0x80..512]).copied().collect();
    bytes[0x7c..0x80].copy_from_slice(&crc32(&head).to_le_bytes());
    let mut file = vec![0; 4096];
    file[..8].copy_from_slice(b"ElfFile\0");
    file[24..32].copy_from_slice(&(last + 1).to_le_bytes());
    for (at, number) in [(0x20, 128_u16), (0x24, 1), (0x26, 3), (0x28, 4096), (0x2a, 1)] {
        file[at..at + 2].copy_from_slice(&number.to_le_bytes());
    }
    let sum = crc32(&file[..0x78]);
    file[0x7c..0x80].copy_from_slice(&sum.to_le_bytes());
    file.extend(bytes);
    file
}

/// Event 4624 or 4625 of the Security log.
pub fn logon(id: u16, computer: &'static str, at: i64, kind: u8, account: &str, from: &str, port: &str) -> Event {
    let text = str::to_owned;
    let data = vec![
        ("SubjectUserName", text("-")),
        ("TargetUserName", text(account)),
        ("TargetDomainName", text("AOBA")),
        ("TargetLogonId", text("0x3e7a1")),
        ("LogonType", kind.to_string()),
        ("AuthenticationPackageName", text("Negotiate")),
        ("ProcessName", text("C:\\Windows\\System32\\svchost.exe")),
        ("IpAddress", text(from)),
        ("IpPort", text(port)),
    ];
    Event { id, provider: "Microsoft-Windows-Security-Auditing", channel: "Security", computer, at, data }
}
