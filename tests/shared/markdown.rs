//! The fenced blocks of a document.

/// One block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// What stands after its fence: `bash`, `yaml` …
    pub language: &'a str,
    /// Its lines, each with its end.
    pub text: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// A comment in the line before it, which no reader of the rendered document sees.
    pub note: Option<&'a str>,
}

impl Block<'_> {
    /// The commands of a `console` block, each with the output that it shows; a shell shows that it waits for more by `> `.
    #[allow(dead_code)] // Not every document shows a terminal.
    pub fn session(&self) -> Vec<(String, String)> {
        let mut commands: Vec<(String, String)> = Vec::new();
        for line in self.text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                commands.push((command.to_owned(), String::new()));
                continue;
            }
            let (command, output) = commands.last_mut().expect("a console block should begin with a command");
            let (text, line) = match line.strip_prefix("> ") {
                Some(more) if output.is_empty() => (command, format!("\n{more}")),
                _ => (output, format!("{line}\n")),
            };
            text.push_str(&line);
        }
        commands
    }
}

/// All blocks, in order.
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let (mut open, mut before) = (false, "");
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(language), false) => {
                let note = before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
                blocks.push(Block { language, text: String::new(), line: index + 1, note });
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                let block = blocks.last_mut().expect("should have begun a block");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, false) => {}
        }
        before = line;
    }
    blocks
}

/// All headings, in order: level and text.
#[allow(dead_code)] // Not of interest to who only runs blocks.
pub fn headings(text: &str) -> Vec<(usize, &str)> {
    let mut open = false;
    let mut headings = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            open = !open;
        } else if !open
            && let Some((marks, title)) = line.split_once(' ')
            && !marks.is_empty()
            && marks.bytes().all(|mark| mark == b'#')
        {
            headings.push((marks.len(), title.trim()));
        }
    }
    headings
}
