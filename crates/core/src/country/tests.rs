use super::*;

const APNIC: &str = "#comment\n\
2|apnic|20261121|7|19830613|20261120|+1000\n\
apnic|*|asn|*|1|summary\n\
apnic|*|ipv4|*|4|summary\n\
apnic|JP|asn|173|1|20020801|allocated|A91\n\
apnic|JP|ipv4|1.0.16.0|4096|20110412|allocated|A92\r\n\
apnic|JP|ipv4|1.0.32.0|768|20110412|assigned|A92\n\
apnic|CN|ipv4|1.0.1.0|256|20110414|allocated|A93\n\
apnic||ipv4|1.0.128.0|256||available|\n\
apnic|JP|ipv6|2001:200::|32|19990813|allocated|A94\n\
apnic|KR|ipv6|2001:220::|32|19991006|allocated|A95\n";

fn country(text: &str) -> Option<Country> {
    Some(Country::parse(text).unwrap())
}

fn found(reading: &Reading, address: &str) -> Option<Country> {
    reading.table.find(address.parse().unwrap())
}

fn of(text: &str) -> Result<Reading, CountryBreach> {
    read(&[text.as_bytes()])
}

#[test]
fn the_statistics_of_a_registry_become_a_table() {
    let reading = of(APNIC).unwrap();
    assert_eq!((reading.rows, reading.skipped, reading.conflicts, reading.missing), (5, 2, 0, 0));
    assert_eq!((reading.dated.as_str(), reading.registries.as_slice()), ("2026-11-20", ["apnic".to_owned()].as_slice()));
    assert_eq!(reading.table.spans(), (2, 2), "neighbours of one country are one span");
    for (address, wanted) in [
        ("1.0.15.255", None),
        ("1.0.16.0", country("JP")),
        ("1.0.34.255", country("JP")),
        ("::ffff:1.0.34.255", country("JP")),
        ("1.0.35.0", None),
        ("1.0.1.77", country("CN")),
        ("1.0.128.1", None),
        ("2001:200:ffff::1", country("JP")),
        ("2001:201::", None),
        ("2001:220::", country("KR")),
    ] {
        assert_eq!(found(&reading, address), wanted, "{address}");
    }
}

#[test]
fn several_files_and_simple_lists_become_one_table() {
    let arin = "2.3|arin|1763683200000|1|19700101|20261101|-0500\narin|US|ipv4|3.0.0.0|16777216|19880223|allocated|x\n";
    let list = "start,end,country\n\"203.0.113.0\",\"203.0.113.127\",\"jp\"\n198.51.100.0/24,US\n2001:db8::/32,DE\n192.0.2.0,192.0.2.255,-\n";
    let reading = read(&[APNIC.as_bytes(), arin.as_bytes(), list.as_bytes()]).unwrap();
    assert_eq!(reading.registries, ["apnic", "arin"]);
    assert_eq!(reading.dated, "2026-11-01", "the oldest one counts");
    for (address, wanted) in [("3.255.255.255", country("US")), ("203.0.113.9", country("JP")), ("203.0.113.128", None), ("198.51.100.1", country("US")), ("2001:db8::1", country("DE")), ("192.0.2.1", None)] {
        assert_eq!(found(&reading, address), wanted, "{address}");
    }
    assert_eq!(of("開始,終了,国\n203.0.113.0,203.0.113.127,JP\n").unwrap().rows, 1, "the names of the columns may be in any language");
    let again = of(&reading.table.to_csv()).unwrap();
    assert_eq!(again.table, reading.table, "what is given out reads back");
}

#[test]
fn what_two_rows_give_to_two_countries_belongs_to_none() {
    let reading = of("10.0.0.0/8,JP\n10.1.0.0/16,US\n10.1.0.0/17,US\n10.2.0.0/16,JP\n").unwrap();
    assert_eq!((reading.conflicts, reading.table.spans()), (1, (2, 0)));
    for (address, wanted) in [("10.0.255.255", country("JP")), ("10.1.0.0", None), ("10.1.255.255", None), ("10.2.0.0", country("JP"))] {
        assert_eq!(found(&reading, address), wanted, "{address}");
    }
    let many: String = (0..=limits_of_conflicts()).map(|n| format!("10.{}.{}.0/30,JP\n10.{}.{}.0/31,US\n", n / 256, n % 256, n / 256, n % 256)).collect();
    assert_eq!(of(&many), Err(CountryBreach::TooMany("COUNTRY_CONFLICTS")));
}

fn limits_of_conflicts() -> usize {
    crate::limits::COUNTRY_CONFLICTS
}

#[test]
fn the_ends_of_all_addresses_are_addresses() {
    let reading = of("0.0.0.0,255.255.255.255,JP\n::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,US\n").unwrap();
    assert_eq!(found(&reading, "0.0.0.0"), country("JP"));
    assert_eq!(found(&reading, "255.255.255.255"), country("JP"));
    assert_eq!(found(&reading, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), country("US"));
}

#[test]
fn what_is_no_table_is_refused_with_its_line() {
    let at = |line| Err(CountryBreach::Line { file: 1, line });
    for (text, wanted) in [
        ("1.0.0.0/8,JP\n1.0.0.1/8,JP\n", at(2)),
        ("1.0.0.0/8,JP\n1.0.0.0/33,JP\n", at(2)),
        ("1.0.0.0/8,JP\n1.0.0.9,1.0.0.1,JP\n", at(2)),
        ("1.0.0.0/8,JP\n1.0.0.0,2001:db8::,JP\n", at(2)),
        ("1.0.0.0/8,Japan\n", at(1)),
        ("<!doctype html>\n", at(1)),
        ("apnic|JP|ipv4|255.255.255.0|257|20110412|allocated\n", at(1)),
        ("apnic|JP|ipv4|1.0.0.0|0|20110412|allocated\n", at(1)),
        ("apnic|JP|ipv6|2001:200::|129|20110412|allocated\n", at(1)),
        ("apnic|JP|ipv6|2001:200::1|32|20110412|allocated\n", at(1)),
        ("apnic|JP|ipv4\n", at(1)),
        ("2|ap nic|20261121|7|19830613|20261120|+1000\n", at(1)),
        ("2|apnic|never|7|19830613|never|+1000\n", at(1)),
        ("", Err(CountryBreach::Empty)),
        ("# nothing\napnic|JP|asn|1|1|20020801|allocated\n", Err(CountryBreach::Empty)),
    ] {
        assert_eq!(of(text).map(|reading| reading.rows), wanted.map(|(): ()| 0), "{text:?}");
    }
    assert_eq!(read(&[b"1.0.0.0/8,JP\n", b"\xff\xfe\n"]), Err(CountryBreach::Line { file: 2, line: 1 }));
    let long = format!("1.0.0.0/8,JP\n{}\n", "x".repeat(600));
    assert_eq!(of(&long), at(2).map(|(): ()| Reading::default()));
}

#[test]
fn a_file_that_was_cut_off_says_how_much_is_missing() {
    let cut: String = APNIC.lines().take(8).map(|line| format!("{line}\n")).collect();
    assert_eq!(of(&cut).unwrap().missing, 3);
}

#[test]
fn inner_addresses_have_no_country_unless_the_table_names_them() {
    let reading = of("203.0.113.0/24,JP\n127.0.0.64/26,US\n").unwrap();
    let place = |table, address: &str| Place::of(table, address.parse().unwrap());
    let table = Some(&reading.table);
    for inner in ["127.0.0.1", "10.20.0.5", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1"] {
        assert_eq!((place(table, inner), place(None, inner)), (Place::Inner, Place::Inner), "{inner}");
    }
    assert_eq!(place(table, "127.0.0.65"), Place::In(Country::parse("US").unwrap()));
    assert_eq!(place(table, "203.0.113.1"), Place::In(Country::parse("JP").unwrap()));
    assert_eq!(place(table, "203.0.114.1"), Place::Unlisted);
    assert_eq!(place(None, "203.0.113.1"), Place::NoTable);
}

#[test]
fn countries_have_two_letters() {
    assert_eq!(Country::parse(" jp ").map(|country| country.to_string()).as_deref(), Some("JP"));
    for bad in ["", "J", "JPN", "J1", "ZZ", "zz", "日"] {
        assert_eq!(Country::parse(bad), None, "{bad}");
    }
}
