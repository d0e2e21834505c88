//! The index: what is put in, what is asked, what is found.

use crate::fold::Pairs;
use crate::limits::{DOCUMENT_BYTES, PAGE_HITS, PAGES, WRITER_BYTES};
use crate::query::Words;
use crate::sealed::{Key, SealedFolder};
use crate::snippet::{Piece, snippet};
use crate::Fault;
use rand::TryRng as _;
use std::fs;
use std::ops::Bound;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{BooleanQuery, InvertedIndexRangeQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery, TermSetQuery};
use tantivy::schema::{Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value as _};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{Index as Engine, IndexReader, IndexWriter, Order, ReloadPolicy, TantivyDocument, Term};

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A command that was entered.
    Command,
    /// A few lines of a screen.
    Output,
    /// An operation on a file.
    File,
    /// A plan.
    Plan,
    /// What a person noted: a marker, a message, a deviation.
    Note,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Command, Self::Output, Self::File, Self::Plan, Self::Note];

    /// The name in the index and in addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Output => "output",
            Self::File => "file",
            Self::Plan => "plan",
            Self::Note => "note",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Kind of a document that is not found itself: the session's output was not taken whole.
const PARTIAL: &str = "partial";

/// What is put in.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// What it is; `None` marks a session whose output was not taken whole.
    pub kind: Option<Kind>,
    /// The session that it is from.
    pub session: Option<String>,
    /// The plan that it belongs to.
    pub plan: String,
    /// Targets.
    pub targets: Vec<String>,
    /// Persons: the worker of a session, the workers of a plan.
    pub persons: Vec<String>,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Where in the recording each line of the text stands, in milliseconds from its start. Empty if there is none.
    pub moments: Vec<u64>,
    /// The channel, if it is known.
    pub channel: Option<u32>,
    /// What is shown beside the text and not searched, such as the operation on a file.
    pub detail: String,
    /// The text, of one or more lines.
    pub text: String,
}

/// What to search in. Empty fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// One session.
    pub session: Option<String>,
    /// One plan and its sessions.
    pub plan: Option<String>,
    /// One target.
    pub target: Option<String>,
    /// One worker.
    pub person: Option<String>,
    /// From this moment on, in milliseconds since 1970.
    pub from: Option<i64>,
    /// Before this moment.
    pub until: Option<i64>,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is.
    pub kind: Kind,
    /// The session, if it is from one.
    pub session: Option<String>,
    /// The plan.
    pub plan: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Where in the recording, in milliseconds from its start.
    pub moment: Option<u64>,
    /// The channel, if it is known.
    pub channel: Option<u32>,
    /// What is shown beside it.
    pub detail: String,
    /// The line, with what was asked for marked.
    pub snippet: Vec<Piece>,
}

/// What was found, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The hits of this page.
    pub hits: Vec<Hit>,
    /// All hits.
    pub total: usize,
    /// Sessions within the filter whose output was not taken whole, so that what is not found may be there.
    pub partial: usize,
}

#[derive(Clone, Copy)]
struct Fields {
    kind: Field,
    session: Field,
    plan: Field,
    target: Field,
    person: Field,
    at: Field,
    moments: Field,
    channel: Field,
    detail: Field,
    text: Field,
}

/// Name of the tokenizer. It changes when the folding does, so that an index of another folding is made anew.
const TOKENIZER: &str = "pairs-1";

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let pairs = TextFieldIndexing::default().set_tokenizer(TOKENIZER).set_index_option(IndexRecordOption::WithFreqsAndPositions).set_fieldnorms(false);
    let fields = Fields {
        kind: builder.add_text_field("kind", STRING | STORED),
        session: builder.add_text_field("session", STRING | STORED),
        plan: builder.add_text_field("plan", STRING | STORED),
        target: builder.add_text_field("target", STRING),
        person: builder.add_text_field("person", STRING),
        at: builder.add_i64_field("at", tantivy::schema::FAST | STORED),
        moments: builder.add_text_field("moments", STORED),
        channel: builder.add_u64_field("channel", STORED),
        detail: builder.add_text_field("detail", STORED),
        text: builder.add_text_field("text", TextOptions::default().set_indexing_options(pairs).set_stored()),
    };
    (builder.build(), fields)
}

/// The index. One hand writes it, many read it.
pub struct Index {
    fields: Fields,
    reader: IndexReader,
    writer: Mutex<IndexWriter>,
    cursor: Mutex<Option<u64>>,
}

/// What the name of an edition begins with.
const EDITION: &str = "edition-";

/// The indexes of a folder.
fn editions(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(EDITION)).map(|entry| entry.path()).collect()
}

impl Index {
    /// Opens the index of a folder. One that is missing, damaged, of another version or of another key is thrown away
    /// and begun anew; then [`Index::cursor`] is `None`.
    ///
    /// # Errors
    /// A fault if not even an empty index can be made.
    pub fn open(folder: &Path, key: &Key) -> Result<Self, Fault> {
        // More than one is what a crash left while one took the place of another: none of them is trusted.
        if let [only] = editions(folder).as_slice() {
            match Self::open_edition(only, key) {
                Ok(index) => return Ok(index),
                Err(fault) => tracing::warn!(%fault, "the search index is made anew"),
            }
        }
        Self::create(folder, key)
    }

    fn open_edition(edition: &Path, key: &Key) -> Result<Self, Fault> {
        let engine = Engine::open(SealedFolder::new(edition, key.clone()))?;
        let (expected, fields) = schema();
        if engine.schema() != expected {
            return Err(Fault::Damaged("it has another form"));
        }
        let cursor = engine.load_metas()?.payload.and_then(|payload| payload.parse().ok());
        Self::with(engine, fields, cursor)
    }

    /// Begins an empty index, in place of whatever lies there. Each has a folder of its own, so that the last works of
    /// the old one cannot reach the new one.
    ///
    /// # Errors
    /// A fault.
    pub fn create(folder: &Path, key: &Key) -> Result<Self, Fault> {
        for edition in editions(folder) {
            fs::remove_dir_all(edition).map_err(|source| Fault::Io { what: "an old search index cannot be removed", source })?;
        }
        let mut name = [0_u8; 8];
        rand::rngs::SysRng.try_fill_bytes(&mut name).map_err(|_| Fault::Damaged("the operating system gives no random numbers"))?;
        let edition = folder.join(format!("{EDITION}{:016x}", u64::from_be_bytes(name)));
        let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(&edition);
        made.map_err(|source| Fault::Io { what: "the folder of the search index cannot be made", source })?;
        let (schema, fields) = schema();
        let engine = Engine::create(SealedFolder::new(&edition, key.clone()), schema, tantivy::IndexSettings::default())?;
        Self::with(engine, fields, None)
    }

    fn with(engine: Engine, fields: Fields, cursor: Option<u64>) -> Result<Self, Fault> {
        engine.tokenizers().register(TOKENIZER, TextAnalyzer::builder(Pairs).build());
        let reader = engine.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let writer = Mutex::new(engine.writer_with_num_threads(1, WRITER_BYTES)?);
        Ok(Self { fields, reader, writer, cursor: Mutex::new(cursor) })
    }

    /// Up to where the record had been taken in when the last [`Index::commit`] was made; `None` if nothing was.
    pub fn cursor(&self) -> Option<u64> {
        *self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Documents in the index.
    pub fn documents(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Puts a document in. It is found after the next [`Index::commit`].
    ///
    /// # Errors
    /// A fault of the engine.
    pub fn add(&self, document: &Document) -> Result<(), Fault> {
        let fields = self.fields;
        let mut held = TantivyDocument::default();
        held.add_text(fields.kind, document.kind.map_or(PARTIAL, Kind::as_str));
        if let Some(session) = &document.session {
            held.add_text(fields.session, session);
        }
        held.add_text(fields.plan, &document.plan);
        for target in &document.targets {
            held.add_text(fields.target, target);
        }
        for person in &document.persons {
            held.add_text(fields.person, person);
        }
        held.add_i64(fields.at, document.at);
        if !document.moments.is_empty() {
            let moments: Vec<String> = document.moments.iter().map(u64::to_string).collect();
            held.add_text(fields.moments, moments.join(" "));
        }
        if let Some(channel) = document.channel {
            held.add_u64(fields.channel, channel.into());
        }
        if !document.detail.is_empty() {
            held.add_text(fields.detail, &document.detail);
        }
        held.add_text(fields.text, bounded(&document.text));
        self.writer().add_document(held)?;
        Ok(())
    }

    /// Takes out everything of a session that was put in before.
    pub fn forget_session(&self, session: &str) {
        self.writer().delete_term(Term::from_field_text(self.fields.session, session));
    }

    /// Takes out what was put in of a plan itself, not what belongs to its sessions.
    ///
    /// # Errors
    /// A fault of the engine.
    pub fn forget_plan(&self, plan: &str) -> Result<(), Fault> {
        let of_plan = self.is(self.fields.plan, plan);
        let of_session = Box::new(InvertedIndexRangeQuery::new(Bound::Included(Term::from_field_text(self.fields.session, "")), Bound::Unbounded));
        let query = BooleanQuery::new(vec![(Occur::Must, of_plan), (Occur::MustNot, of_session)]);
        self.writer().delete_query(Box::new(query))?;
        Ok(())
    }

    /// Makes durable and findable what was put in and taken out, and with it up to where the record was taken in: one
    /// commit for both, so that a crash never leaves a cursor that promises more than the index holds.
    ///
    /// # Errors
    /// A fault of the engine or the disk. Then nothing of it happened, and the caller begins anew at the old cursor.
    pub fn commit(&self, cursor: Option<u64>) -> Result<(), Fault> {
        {
            let mut writer = self.writer();
            let mut prepared = writer.prepare_commit()?;
            if let Some(cursor) = cursor {
                prepared.set_payload(&cursor.to_string());
            }
            prepared.commit()?;
        }
        *self.cursor.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
        self.reader.reload()?;
        Ok(())
    }

    /// Forgets what was put in and taken out since the last commit.
    ///
    /// # Errors
    /// A fault of the engine; the index is to be made anew then.
    pub fn roll_back(&self) -> Result<(), Fault> {
        self.writer().rollback()?;
        Ok(())
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, IndexWriter> {
        // The engine guards itself; a panic of a caller leaves at worst a document that the next commit takes along.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Searches. `page` counts from 0 and ends at [`PAGES`].
    ///
    /// # Errors
    /// A fault of the engine or the disk; the index is to be made anew then.
    pub fn search(&self, words: &Words, filter: &Filter, page: usize) -> Result<Found, Fault> {
        let searcher = self.reader.searcher();
        let restricted = self.restrict(filter);
        let mut clauses = restricted(self);
        clauses.extend(words.0.iter().map(|word| (Occur::Must, self.word(word))));
        if filter.kinds.is_empty() {
            clauses.push((Occur::MustNot, self.is(self.fields.kind, PARTIAL)));
        } else {
            let kinds = filter.kinds.iter().map(|kind| Term::from_field_text(self.fields.kind, kind.as_str()));
            clauses.push((Occur::Must, Box::new(TermSetQuery::new(kinds))));
        }
        let query = BooleanQuery::new(clauses);
        let page = page.min(PAGES - 1);
        let newest = TopDocs::with_limit(PAGE_HITS).and_offset(page * PAGE_HITS).order_by_fast_field::<i64>("at", Order::Desc);
        let (total, places) = searcher.search(&query, &(Count, newest))?;
        let mut hits = Vec::with_capacity(places.len());
        for (_, place) in places {
            hits.push(self.hit(&searcher.doc(place)?, words)?);
        }
        let mut clauses = restricted(self);
        clauses.push((Occur::Must, self.is(self.fields.kind, PARTIAL)));
        let partial = searcher.search(&BooleanQuery::new(clauses), &Count)?;
        Ok(Found { hits, total, partial })
    }

    /// Whether the output of a session was not taken whole.
    ///
    /// # Errors
    /// A fault of the engine or the disk.
    pub fn is_partial(&self, session: &str) -> Result<bool, Fault> {
        let query = BooleanQuery::new(vec![(Occur::Must, self.is(self.fields.session, session)), (Occur::Must, self.is(self.fields.kind, PARTIAL))]);
        Ok(self.reader.searcher().search(&query, &Count)? > 0)
    }

    fn is(&self, field: Field, value: &str) -> Box<dyn Query> {
        Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
    }

    fn restrict<'a>(&self, filter: &'a Filter) -> impl Fn(&Self) -> Vec<(Occur, Box<dyn Query>)> + 'a {
        move |index: &Self| {
            let fields = index.fields;
            let asked = [(fields.session, &filter.session), (fields.plan, &filter.plan), (fields.target, &filter.target), (fields.person, &filter.person)];
            let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
            for (field, value) in asked {
                if let Some(value) = value {
                    clauses.push((Occur::Must, index.is(field, value)));
                }
            }
            if filter.from.is_some() || filter.until.is_some() {
                let term = |at: i64| Term::from_field_i64(fields.at, at);
                let from = filter.from.map_or(Bound::Unbounded, |at| Bound::Included(term(at)));
                let until = filter.until.map_or(Bound::Unbounded, |at| Bound::Excluded(term(at)));
                clauses.push((Occur::Must, Box::new(RangeQuery::new(from, until))));
            }
            clauses
        }
    }

    /// A word of several characters is a run of pairs; every second pair is enough to hold it together.
    fn word(&self, word: &[char]) -> Box<dyn Query> {
        let term = |pair: &[char]| Term::from_field_text(self.fields.text, &pair.iter().collect::<String>());
        match word {
            [] => Box::new(tantivy::query::EmptyQuery),
            [one] => {
                let next = char::from_u32(u32::from(*one) + 1).unwrap_or(char::MAX);
                Box::new(InvertedIndexRangeQuery::new(Bound::Included(term(&[*one])), Bound::Excluded(term(&[next]))))
            }
            [_, _] => Box::new(TermQuery::new(term(word), IndexRecordOption::Basic)),
            _ => {
                let last = word.len() - 2;
                let at = (0..last).step_by(2).chain([last]);
                let pairs = at.filter_map(|at| Some((at, term(word.get(at..at + 2)?)))).collect();
                Box::new(PhraseQuery::new_with_offset(pairs))
            }
        }
    }

    fn hit(&self, held: &TantivyDocument, words: &Words) -> Result<Hit, Fault> {
        let fields = self.fields;
        let text = |field: Field| held.get_first(field).and_then(|value| value.as_str().map(str::to_owned));
        let kind = text(fields.kind).and_then(|name| Kind::parse(&name)).ok_or(Fault::Damaged("a document has no kind"))?;
        let (snippet, line) = snippet(&text(fields.text).unwrap_or_default(), words);
        let moments: Vec<u64> = text(fields.moments).unwrap_or_default().split(' ').filter_map(|at| at.parse().ok()).collect();
        let first = moments.first().copied();
        let moment = moments.get(line).or(moments.last()).copied();
        let began = held.get_first(fields.at).and_then(|value| value.as_i64()).unwrap_or_default();
        let later = moment.zip(first).map_or(0, |(moment, first)| moment.saturating_sub(first));
        Ok(Hit {
            kind,
            session: text(fields.session),
            plan: text(fields.plan).unwrap_or_default(),
            at: began.saturating_add(i64::try_from(later).unwrap_or_default()),
            moment,
            channel: held.get_first(fields.channel).and_then(|value| value.as_u64()).and_then(|channel| u32::try_from(channel).ok()),
            detail: text(fields.detail).unwrap_or_default(),
            snippet,
        })
    }
}

fn bounded(text: &str) -> String {
    if text.len() <= DOCUMENT_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(DOCUMENT_BYTES);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
#[path = "index_test.rs"]
mod tests;
