//! A document as somebody follows it, in order: each `bash` block is run, a line a command; a `text` block after one is what its last
//! command must show; each `yaml` block is a file; of a `console` block the commands are given, and what it shows is compared by
//! `tests/docs.rs`. What is done otherwise says so in a comment in the document's source.

use std::ops::RangeInclusive;
use std::time::Instant;

use crate::lab;
use crate::markdown::blocks;
use crate::reader::Reader;
use crate::shown::pattern;

/// The comment on a block whose last command must say no.
pub const REFUSED: &str = "exits with 1";

/// Commands that only look: what they show may be a moment away.
const LOOKS: [&str; 8] = [
    "curl ",
    "hopkeeper explain-incident ",
    "hopkeeper status ",
    "kubectl get ",
    "kubectl -n hopkeeper get ",
    "kubectl -n hopkeeper logs ",
    "kubectl --namespace vpn get ",
    "kubectl --namespace vpn logs ",
];

/// A document, and who follows it.
pub struct Document<'r> {
    name: &'static str,
    text: String,
    /// The lines of the chapter that is followed.
    lines: RangeInclusive<usize>,
    reader: &'r mut Reader,
    here: Vec<(&'static str, String)>,
    began: Instant,
}

/// What is to be done with a block.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    File,
    Commands,
    /// Commands with what each shows.
    Session,
}

/// A file to write, or commands to give.
pub struct Step {
    kind: Kind,
    /// The file, or the commands.
    text: String,
    shown: Option<String>,
    /// What the comment before it says.
    pub note: Option<String>,
    /// Where it stands.
    place: String,
}

impl Step {
    /// Whether it has such a command.
    pub fn has(&self, command: &str) -> bool {
        self.has_commands() && self.text.lines().any(|line| line.starts_with(command))
    }

    /// Whether it is commands alone: what they show is in another block, or nowhere.
    pub fn has_commands(&self) -> bool {
        self.kind == Kind::Commands
    }

    /// Its commands that change something, as one script, and those that only look at the outcome.
    pub fn parted(&self) -> (String, Vec<&str>) {
        let (looks, acts): (Vec<_>, Vec<_>) = self.text.lines().partition(|line| is_look(line));
        (acts.join("\n"), looks)
    }
}

fn is_look(command: &str) -> bool {
    LOOKS.iter().any(|look| command.starts_with(look))
}

impl<'r> Document<'r> {
    /// Opens it. `here` is what the lab has other than the reader's machine: what the document says, and what is meant.
    pub fn open(name: &'static str, reader: &'r mut Reader, here: Vec<(&'static str, String)>) -> Self {
        let text = std::fs::read_to_string(lab::root().join(name)).expect("the document should be readable");
        let lines = 1..=text.lines().count();
        Self { name, text, lines, reader, here, began: Instant::now() }
    }

    /// Only one chapter of it.
    pub fn chapter(self, title: &str) -> Self {
        let heading = format!("## {title}");
        let lines =
            || self.text.lines().zip(1..).skip_while(|(line, _)| *line != heading).map(|(line, number)| (number, line));
        let (first, _) = lines().next().expect("the chapter should be there");
        let (last, _) = lines()
            .take_while(|(number, line)| *number == first || !line.starts_with("## "))
            .last()
            .expect("it has a heading");
        Self { lines: first..=last, ..self }
    }

    /// All of it, in order.
    pub fn steps(&self) -> Vec<Step> {
        let mut blocks = blocks(&self.text).into_iter().filter(|block| self.lines.contains(&block.line)).peekable();
        let mut steps = Vec::new();
        while let Some(block) = blocks.next() {
            let place = format!("{}:{}", self.name, block.line);
            let note = block.note.map(str::to_owned);
            let (kind, text) = match block.language {
                "yaml" => (Kind::File, block.text),
                "bash" => (Kind::Commands, block.text),
                "console" => {
                    let commands: Vec<_> = block.session().into_iter().map(|(command, _)| command).collect();
                    (Kind::Session, commands.join("\n"))
                }
                other => panic!("{place}: nothing is done with a block of {other:?}"),
            };
            let shown = blocks.next_if(|next| kind == Kind::Commands && next.language == "text").map(|next| next.text);
            steps.push(Step { kind, text, shown, note, place });
        }
        steps
    }

    /// A text as it is meant here.
    fn meant(&self, text: &str) -> String {
        self.here.iter().fold(text.to_owned(), |text, (said, meant)| text.replace(said, meant))
    }

    /// Gives one command that says no here, and works elsewhere; what it said.
    pub fn refused(&self, step: &Step) -> String {
        self.reader.refused(self.meant(&step.text).trim_end())
    }

    /// Writes the file, or gives the commands; the last one must show what stands below it. What it said.
    pub async fn follow(&mut self, step: &Step) -> String {
        match step.kind {
            Kind::File => {
                self.reader.write(&self.meant(&step.text));
                return String::new();
            }
            Kind::Session => return self.reader.run(&self.meant(&step.text)),
            Kind::Commands => {}
        }
        let mut commands: Vec<_> = step.text.lines().map(|line| (line, self.meant(line))).collect();
        if step.has("kubectl ") && step.text.contains(" port-forward ") {
            commands.iter().for_each(|(_, meant)| self.reader.leave_running(meant));
            return String::new();
        }
        let (last, meant) = commands.pop().expect("a block should have a command");
        for (_, command) in &commands {
            self.reader.run(command);
        }
        let shown = self.meant(step.shown.as_deref().unwrap_or("…"));
        let fits = pattern(&shown);
        let said = if step.note.as_deref() == Some(REFUSED) {
            self.reader.refused(&meant)
        } else if step.shown.is_some() && is_look(last) {
            self.reader.until_it(&meant, &shown, |said| fits.is_match(said)).await
        } else {
            self.reader.run(&meant)
        };
        if step.shown.is_some() {
            println!("$ {last}\n{said}");
        }
        assert!(fits.is_match(&said), "{}: {last} should show\n{shown}\nand shows\n{said}", step.place);
        println!("    {} after {:.1} s", step.place, self.began.elapsed().as_secs_f64());
        said
    }
}
