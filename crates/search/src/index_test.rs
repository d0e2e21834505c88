use super::*;

const KEY: [u8; 32] = [3; 32];

fn open(dir: &Path) -> Index {
    Index::open(&dir.join("index"), &Key::from_bytes(KEY)).unwrap()
}

fn line(session: &str, at: i64, kind: Kind, text: &str) -> Document {
    Document {
        kind: Some(kind),
        session: Some(session.into()),
        plan: "pln-1".into(),
        targets: vec!["tgt-db".into()],
        persons: vec!["prs-sato".into()],
        at,
        moments: vec![u64::try_from(at).unwrap()],
        channel: Some(1),
        detail: String::new(),
        text: text.into(),
    }
}

fn find(index: &Index, query: &str) -> Vec<String> {
    find_in(index, query, &Filter::default())
}

fn find_in(index: &Index, query: &str, filter: &Filter) -> Vec<String> {
    let found = index.search(&Words::parse(query).unwrap(), filter, 0).unwrap();
    assert_eq!(found.total, found.hits.len());
    found.hits.into_iter().map(|hit| hit.snippet.into_iter().map(|piece| if piece.hit { format!("[{}]", piece.text) } else { piece.text }).collect()).collect()
}

#[test]
fn parts_of_paths_tables_and_words_of_one_and_two_characters_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for (at, text) in (1..).zip(["ls /var/lib/pgsql/data", "psql -c 'drop table patients'", "保守作業のため電源を切断", "ＤＲＯＰ\u{3000}ＴＡＢＬＥ x", "電"]) {
        index.add(&line("ses-1", at, Kind::Command, text)).unwrap();
    }
    index.commit(Some(1)).unwrap();
    assert_eq!(find(&index, "/var/lib/pgsql/data"), ["ls [/var/lib/pgsql/data]"]);
    assert_eq!(find(&index, "pgsql"), ["ls /var/lib/[pgsql]/data"]);
    assert_eq!(find(&index, "Drop Table"), ["[ＤＲＯＰ]\u{3000}[ＴＡＢＬＥ] x", "psql -c '[drop] [table] patients'"]);
    assert_eq!(find(&index, "\"drop table patients\""), ["psql -c '[drop table patients]'"]);
    assert_eq!(find(&index, "\"table drop\""), [""; 0]);
    assert_eq!(find(&index, "patients psql"), ["[psql] -c 'drop table [patients]'"]);
    assert_eq!(find(&index, "保守"), ["[保守]作業のため電源を切断"]);
    assert_eq!(find(&index, "電源"), ["保守作業のため[電源]を切断"]);
    assert_eq!(find(&index, "電"), ["[電]", "保守作業のため[電]源を切断"]);
    assert_eq!(find(&index, "断"), ["保守作業のため電源を切[断]"]);
    assert_eq!(find(&index, "patiant"), [""; 0]);
    assert_eq!(find(&index, "data/"), [""; 0]);
}

#[test]
fn filters_restrict_and_the_newest_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    index.add(&line("ses-1", 100, Kind::Command, "tail messages")).unwrap();
    index.add(&line("ses-2", 200, Kind::Output, "messages: rotated")).unwrap();
    let other = Document { targets: vec!["tgt-web".into()], persons: vec!["prs-ito".into()], plan: "pln-2".into(), ..line("ses-3", 300, Kind::File, "put messages.gz") };
    index.add(&other).unwrap();
    index.add(&Document { kind: None, session: Some("ses-2".into()), plan: "pln-1".into(), at: 200, ..Document::default() }).unwrap();
    index.commit(Some(1)).unwrap();
    let ats = |filter: Filter| -> Vec<i64> { index.search(&Words::parse("messages").unwrap(), &filter, 0).unwrap().hits.into_iter().map(|hit| hit.at).collect() };
    let all = Filter::default();
    assert_eq!(ats(all.clone()), [300, 200, 100]);
    assert_eq!(ats(Filter { kinds: vec![Kind::Command, Kind::File], ..all.clone() }), [300, 100]);
    assert_eq!(ats(Filter { session: Some("ses-2".into()), ..all.clone() }), [200]);
    assert_eq!(ats(Filter { target: Some("tgt-db".into()), ..all.clone() }), [200, 100]);
    assert_eq!(ats(Filter { person: Some("prs-ito".into()), ..all.clone() }), [300]);
    assert_eq!(ats(Filter { plan: Some("pln-1".into()), ..all.clone() }), [200, 100]);
    assert_eq!(ats(Filter { from: Some(200), until: Some(300), ..all.clone() }), [200]);
    assert_eq!(index.search(&Words::parse("messages").unwrap(), &all, 0).unwrap().partial, 1);
    assert!(index.is_partial("ses-2").unwrap() && !index.is_partial("ses-1").unwrap());
}

#[test]
fn the_moment_is_that_of_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let document = Document { text: "first\nsecond needle\nthird".into(), moments: vec![1000, 2500, 2600], ..line("ses-1", 50_000, Kind::Output, "") };
    index.add(&document).unwrap();
    index.commit(Some(1)).unwrap();
    let found = index.search(&Words::parse("needle").unwrap(), &Filter::default(), 0).unwrap();
    let hit = &found.hits[0];
    assert_eq!((hit.moment, hit.at, hit.channel), (Some(2500), 51_500, Some(1)));
}

#[test]
fn what_was_forgotten_is_not_found_and_pages_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for at in 0..120 {
        index.add(&line("ses-1", at, Kind::Command, "uptime")).unwrap();
    }
    index.add(&line("ses-2", 500, Kind::Command, "uptime")).unwrap();
    let plan = Document { kind: Some(Kind::Plan), session: None, moments: Vec::new(), channel: None, ..line("", 900, Kind::Plan, "uptime of the plan") };
    index.add(&plan).unwrap();
    index.commit(Some(1)).unwrap();
    let words = Words::parse("uptime").unwrap();
    let page = |number| index.search(&words, &Filter::default(), number).unwrap();
    assert_eq!((page(0).total, page(0).hits.len(), page(2).hits.len(), page(3).hits.len()), (122, PAGE_HITS, 22, 0));
    index.forget_session("ses-1");
    index.commit(Some(2)).unwrap();
    assert_eq!(page(0).total, 2);
    index.forget_plan("pln-1").unwrap();
    index.commit(Some(3)).unwrap();
    assert_eq!(page(0).hits.iter().map(|hit| hit.session.as_deref()).collect::<Vec<_>>(), [Some("ses-2")]);
}

#[test]
fn the_cursor_goes_with_the_commit_and_the_index_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    assert_eq!(index.cursor(), None);
    index.add(&line("ses-1", 1, Kind::Command, "uptime")).unwrap();
    index.commit(Some(41)).unwrap();
    index.add(&line("ses-1", 2, Kind::Command, "uptime -s")).unwrap();
    index.roll_back().unwrap();
    index.add(&line("ses-1", 3, Kind::Command, "uptime -p")).unwrap();
    // As a crash would leave it: what was not committed is gone, and the cursor says so.
    drop(index);
    let index = open(dir.path());
    assert_eq!((index.cursor(), find(&index, "uptime").len()), (Some(41), 1));
}

#[test]
fn a_damaged_index_or_one_of_another_key_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let fill = || {
        let index = open(dir.path());
        index.add(&line("ses-1", 1, Kind::Command, "uptime")).unwrap();
        index.commit(Some(7)).unwrap();
    };
    let folder = dir.path().join("index");
    let edition = || editions(&folder).pop().unwrap();
    fill();
    assert_eq!(open(dir.path()).cursor(), Some(7));
    assert_eq!(Index::open(&folder, &Key::from_bytes([9; 32])).unwrap().cursor(), None);
    fill();
    fs::write(edition().join("meta.json"), b"{}").unwrap();
    assert_eq!(open(dir.path()).cursor(), None);
    fill();
    for entry in fs::read_dir(edition()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "idx") {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(open(dir.path()).cursor(), None);
    assert_eq!(editions(&folder).len(), 1);
}

#[test]
fn the_folder_does_not_hold_the_words() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let secret = "kanja_yamada_taro";
    for at in 0..200 {
        index.add(&line("ses-geheim", at, Kind::Output, &format!("select * from {secret}"))).unwrap();
    }
    index.commit(Some(1)).unwrap();
    assert_eq!(index.search(&Words::parse(secret).unwrap(), &Filter::default(), 0).unwrap().total, 200);
    let mut files = 0;
    for entry in fs::read_dir(&editions(&dir.path().join("index"))[0]).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        files += 1;
        for word in [secret.as_bytes(), b"ses-geheim", b"select", b"yamada", b"tokenizer", b"command"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word));
        }
    }
    assert!(files > 3);
}
