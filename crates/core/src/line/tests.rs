use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_local(text).unwrap()
}

fn sound(class: LineClass) -> LineContent {
    LineContent {
        name: "本社 VPN".into(),
        class,
        addresses: vec![Network::parse("192.0.2.0/24").unwrap()],
        no_other_routes: true,
        boundary: Some(Boundary { agreed_on: "2026-04-01".into(), by: "情報システム課".into(), document: "保守契約書 別紙2".into() }),
        destinations_limited: true,
        route_managed: true,
        ..LineContent::default()
    }
}

fn line(class: LineClass, change: impl Fn(&mut LineContent)) -> Line {
    let mut content = sound(class);
    change(&mut content);
    Line { id: LineId::from_random([1; 10]), vendor: VendorId::from_random([1; 10]), content, active: true }
}

#[test]
fn how_each_class_stands_to_table_13_1_is_the_golden_text() {
    let now = at("2026-11-24T14:00");
    let exception = |content: &mut LineContent| {
        content.exception = Some(LineException { reason: "更改まで".into(), approved_by: "企画 花子".into(), until: "2026-11-24".into() });
    };
    let mut text = String::from("# class | answers | standing, control | device proved by\n");
    for class in LineClass::ALL {
        for (answers, line) in [
            ("limited, managed", line(class, |_| {})),
            ("route not managed", line(class, |content| content.route_managed = false)),
            ("limited, managed, exception until today", line(class, exception)),
        ] {
            let verdict = line.verdict(now);
            let proof = if line.is_open() { "certificate" } else { "certificate or address" };
            text.push_str(&format!("{} | {answers} | {}, {} | {proof}\n", class.as_str(), verdict.standing.as_str(), verdict.control));
        }
    }
    assert_eq!(text, include_str!("../../golden/lines.txt"), "\n{text}");
}

#[test]
fn an_exception_runs_out_with_its_day() {
    let tls12 = line(LineClass::Tls12, |content| {
        content.exception = Some(LineException { reason: "更改まで".into(), approved_by: "企画 花子".into(), until: "2026-11-24".into() });
    });
    assert_eq!(tls12.verdict(at("2026-11-24T23:59")).standing, Standing::Exception);
    assert!(tls12.admits_tls12(at("2026-11-24T23:59")));
    assert_eq!(tls12.verdict(at("2026-11-25T00:00")).standing, Standing::NotConforming);
    assert!(!tls12.admits_tls12(at("2026-11-25T00:00")));
}

#[test]
fn what_is_not_said_of_a_line_keeps_it_out_of_the_register() {
    assert_eq!(sound(LineClass::Leased).check(), Ok(()));
    let broken = |field: &str, change: &dyn Fn(&mut LineContent)| {
        let mut content = sound(LineClass::Leased);
        change(&mut content);
        assert_eq!(content.check(), Err(Refusal::bad_field(field)));
    };
    broken("name", &|content| content.name = " ".into());
    broken("class", &|content| content.class = LineClass::Undeclared);
    broken("addresses", &|content| content.addresses.clear());
    broken("boundary", &|content| content.boundary = None);
    broken("boundary", &|content| content.boundary = Some(Boundary { agreed_on: "4月".into(), ..content.boundary.clone().unwrap() }));
    broken("other_routes", &|content| content.no_other_routes = false);
    broken("other_routes", &|content| content.other_routes = "別のVPN".into());
    broken("exception", &|content| content.exception = Some(LineException::default()));
    broken("valid_until", &|content| {
        content.valid_from = Some(at("2026-12-01T00:00"));
        content.valid_until = Some(at("2026-11-01T00:00"));
    });
    let many = LineContent { addresses: vec![Network::parse("192.0.2.0/24").unwrap(); limits::LINE_ADDRESSES + 1], ..sound(LineClass::Leased) };
    assert_eq!(many.check(), Err(Refusal::too_many("LINE_ADDRESSES")));
}

#[test]
fn spans_of_the_week_are_read_and_written() {
    for text in ["mon,tue,wed,thu,fri 09:00-17:30", "* 00:00-24:00", "sat 22:00-06:00"] {
        assert_eq!(Hours::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(Hours::parse("sat 22:00-06:00").unwrap().ja(), "土 22:00-06:00");
    for text in ["月火水木金 09:00-17:30", "毎日 00:00-24:00"] {
        assert_eq!(Hours::parse(text).unwrap().ja(), text);
    }
    for bad in ["", "月曜 09:00-17:00", "mon", "mon 9:00-17:00", "mon 09:00-24:01", "mon 24:00-09:00", "day 09:00-17:00", ", 09:00-17:00", "mon 09:60-17:00"] {
        assert_eq!(Hours::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn a_span_over_midnight_belongs_to_the_day_it_begins_on() {
    // 2026-11-21 is a Saturday.
    let night = Hours::parse("sat 22:00-06:00").unwrap();
    for (moment, inside) in [
        ("2026-11-21T05:59", false),
        ("2026-11-21T21:59", false),
        ("2026-11-21T22:00", true),
        ("2026-11-22T05:59", true),
        ("2026-11-22T06:00", false),
        ("2026-11-22T22:00", false),
    ] {
        assert_eq!(night.covers(at(moment)), inside, "{moment}");
    }
}

#[test]
fn a_line_can_be_used_until_the_last_of_its_adjoining_spans_ends() {
    let hours = |spans: &[&str]| spans.iter().map(|span| Hours::parse(span).unwrap()).collect::<Vec<_>>();
    let until = |spans: &[&str], now: &str| line(LineClass::Leased, |content| content.times = hours(spans)).usable_until(at(now));
    assert_eq!(until(&["mon,tue 09:00-17:30"], "2026-11-24T14:00"), Some(at("2026-11-24T17:30")));
    assert_eq!(until(&["tue 09:00-24:00", "wed 00:00-03:00"], "2026-11-24T14:00"), Some(at("2026-11-25T03:00")));
    assert_eq!(until(&["* 00:00-24:00"], "2026-11-24T14:00"), None);
    assert_eq!(until(&[], "2026-11-24T14:00"), None);
    let ends = line(LineClass::Leased, |content| content.valid_until = Some(at("2026-11-24T15:00")));
    assert_eq!(ends.usable_until(at("2026-11-24T14:00")), Some(at("2026-11-24T15:00")));
}

#[test]
fn of_several_lines_with_one_address_the_closed_one_counts() {
    let now = at("2026-11-24T14:00");
    let source: IpAddr = "192.0.2.7".parse().unwrap();
    let (open, closed) = (line(LineClass::Tls13, |_| {}), line(LineClass::Leased, |_| {}));
    let vendor = open.vendor.clone();
    let lines = [open, closed];
    assert_eq!(line_of(&lines, &vendor, source, Place::Unlisted, now).unwrap().content.class, LineClass::Leased);
    let rests = [line(LineClass::Leased, |content| content.times = vec![Hours::parse("sun 09:00-10:00").unwrap()])];
    assert_eq!(line_of(&rests, &vendor, source, Place::Unlisted, now), Err(Refusal::LineOutsideTimes { line: "本社 VPN".into() }));
    assert_eq!(line_of(&lines, &VendorId::from_random([2; 10]), source, Place::Unlisted, now), Err(Refusal::SourceNotAllowed));
    let ended = [Line { active: false, ..line(LineClass::Leased, |_| {}) }];
    assert_eq!(line_of(&ended, &vendor, source, Place::Unlisted, now), Err(Refusal::SourceNotAllowed));
}

#[test]
fn a_line_with_countries_is_used_from_those_alone() {
    let now = at("2026-11-24T14:00");
    let source: IpAddr = "192.0.2.7".parse().unwrap();
    let (jp, us) = (Country::parse("JP").unwrap(), Country::parse("US").unwrap());
    let from_japan = |content: &mut LineContent| content.countries = BTreeSet::from([jp]);
    let lines = [line(LineClass::Tls13, from_japan)];
    let vendor = lines[0].vendor.clone();
    let from = |place| line_of(&lines, &vendor, source, place, now).map(|line| line.content.class);
    assert_eq!(from(Place::In(jp)), Ok(LineClass::Tls13));
    assert_eq!(from(Place::Inner), Ok(LineClass::Tls13), "an inner address is judged by the networks alone");
    assert_eq!(from(Place::In(us)), Err(Refusal::CountryNotAllowed { country: "US".into() }));
    assert_eq!(from(Place::Unlisted), Err(Refusal::CountryNotAllowed { country: "--".into() }));
    assert_eq!(from(Place::NoTable), Err(Refusal::CountryTableMissing));
    let both = [line(LineClass::Tls13, from_japan), line(LineClass::Leased, |_| {})];
    assert_eq!(line_of(&both, &vendor, source, Place::In(us), now).unwrap().content.class, LineClass::Leased, "another line carries it without asking");
    for (place, off) in [(Place::In(jp), false), (Place::In(us), true), (Place::NoTable, true), (Place::Inner, false)] {
        assert_eq!(is_off_all_lines(&lines, "198.51.100.1".parse().unwrap(), place, now), off, "{place:?}");
    }
    assert!(!is_off_all_lines(&[line(LineClass::Tls13, |_| {})], source, Place::In(us), now), "an open line without countries says nothing");
}
