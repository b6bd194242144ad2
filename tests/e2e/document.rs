//! A document as somebody follows it, in order: each `bash` block is run, a line a command; a `text` block after one is what its last
//! command must show; each `yaml` block is a file. What is done otherwise says so in a comment in the document's source.

use std::time::Instant;

use crate::lab;
use crate::markdown::blocks;
use crate::reader::Reader;
use crate::shown::pattern;

/// The comment on a block whose last command must say no.
pub const REFUSED: &str = "exits with 1";

/// Commands that only look: what they show may be a moment away.
const LOOKS: [&str; 6] = [
    "curl ",
    "hopkeeper explain-incident ",
    "hopkeeper status ",
    "kubectl get ",
    "kubectl --namespace vpn get ",
    "kubectl --namespace vpn logs ",
];

/// A document, and who follows it.
pub struct Document<'r> {
    name: &'static str,
    text: String,
    reader: &'r mut Reader,
    here: Vec<(&'static str, String)>,
    began: Instant,
}

/// A file to write, or commands to give.
pub struct Step {
    is_file: bool,
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
        !self.is_file && self.text.lines().any(|line| line.starts_with(command))
    }
}

impl<'r> Document<'r> {
    /// Opens it. `here` is what the lab has other than the reader's machine: what the document says, and what is meant.
    pub fn open(name: &'static str, reader: &'r mut Reader, here: Vec<(&'static str, String)>) -> Self {
        let text = std::fs::read_to_string(lab::root().join(name)).expect("the document should be readable");
        Self { name, text, reader, here, began: Instant::now() }
    }

    /// All of it, in order.
    pub fn steps(&self) -> Vec<Step> {
        let mut blocks = blocks(&self.text).into_iter().peekable();
        let mut steps = Vec::new();
        while let Some(block) = blocks.next() {
            let place = format!("{}:{}", self.name, block.line);
            let is_file = match block.language {
                "yaml" => true,
                "bash" => false,
                other => panic!("{place}: nothing is done with a block of {other:?}"),
            };
            let shown = blocks.next_if(|next| !is_file && next.language == "text").map(|next| next.text);
            steps.push(Step { is_file, text: block.text, shown, note: block.note.map(str::to_owned), place });
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
        if step.is_file {
            self.reader.write(&self.meant(&step.text));
            return String::new();
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
        } else if step.shown.is_some() && LOOKS.iter().any(|look| last.starts_with(look)) {
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
