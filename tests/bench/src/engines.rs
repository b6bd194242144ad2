//! The engines, each in its best configuration: ours, Vectorscan, `RegexSet`, ripgrep.

use std::path::{Path, PathBuf};
use std::process::Command;

use regex::{Regex, RegexSetBuilder};

use crate::clock;
use crate::corpus::Corpus;
use crate::domain::ruleset::matcher::{Matcher, Scratch};

/// What an engine found, and how fast.
pub struct Found {
    /// Million lines a second.
    pub speed: f64,
    /// Line and rule, ascending.
    pub matches: Vec<(u32, u32)>,
    /// How many lines it was given.
    pub lines: u32,
}

/// A corpus, also as files for other programs.
pub struct Job {
    corpus: Corpus,
    /// Where each line ends.
    ends: Vec<usize>,
    work: PathBuf,
}

impl Job {
    pub fn new(corpus: Corpus, work: &Path) -> Self {
        std::fs::write(work.join("patterns"), corpus.patterns.join("\n") + "\n").expect("should write the patterns");
        std::fs::write(work.join("log"), &corpus.log).expect("should write the log");
        let ends = memchr::memchr_iter(b'\n', corpus.log.as_bytes()).collect();
        Self { corpus, ends, work: work.to_owned() }
    }

    fn lines(&self) -> u32 {
        u32::try_from(self.ends.len()).expect("should fit")
    }

    fn found(&self, seconds: f64, lines: u32, mut matches: Vec<(u32, u32)>) -> Found {
        matches.sort_unstable();
        Found { speed: f64::from(lines) / seconds / 1e6, matches, lines }
    }

    fn patterns(&self) -> Vec<Option<Regex>> {
        self.corpus.patterns.iter().map(|p| Some(Regex::new(p).expect("should compile"))).collect()
    }

    /// As the program has its lines, which takes the first rule that matches and leaves the rest: here all are asked for.
    pub fn hopkeeper_line_by_line(&self) -> Found {
        let patterns = self.patterns();
        let matcher = Matcher::new(patterns.clone());
        let without_literal = matcher.has_patterns_without_literal();
        let mut matches = Vec::new();
        let seconds = clock::best(|| {
            matches.clear();
            for (number, line) in (0u32..).zip(self.corpus.log.lines()) {
                let mut candidates = matcher.candidates(line);
                if without_literal {
                    matcher.matching_without_literal(line, |rule| candidates.add(rule));
                }
                let is_match = |rule: &u32| patterns[*rule as usize].as_ref().is_some_and(|p| p.is_match(line));
                matches.extend(candidates.in_order().filter(is_match).map(|rule| (number, rule)));
            }
        });
        self.found(seconds, self.lines(), matches)
    }

    pub fn hopkeeper(&self) -> Found {
        let matcher = Matcher::new(self.patterns());
        let mut scratch = Scratch::default();
        let mut places = Vec::new();
        let seconds = clock::best(|| {
            places.clear();
            matcher.scan(&self.corpus.log, &mut scratch, |line, rule| places.push((line.end, rule)));
        });
        let line_of = |end: &usize| u32::try_from(self.ends.partition_point(|e| e < end)).expect("should fit");
        self.found(seconds, self.lines(), places.iter().map(|(end, rule)| (line_of(end), *rule)).collect())
    }

    pub fn regex_set(&self) -> Option<Found> {
        let set = RegexSetBuilder::new(&self.corpus.patterns)
            .size_limit(1 << 30)
            .dfa_size_limit(1 << 28)
            .build()
            .expect("should compile");
        // Slow with many rules: fewer lines then.
        let lines = self.ends.len().min(10_000_000 / self.corpus.patterns.len().pow(2)).max(500);
        let mut matches = Vec::new();
        let seconds = clock::best(|| {
            matches.clear();
            for (number, line) in (0u32..).zip(self.corpus.log.lines().take(lines)) {
                if set.is_match(line) {
                    matches.extend(
                        set.matches(line).into_iter().map(|rule| (number, u32::try_from(rule).expect("should fit"))),
                    );
                }
            }
        });
        Some(self.found(seconds, u32::try_from(lines).expect("should fit"), matches))
    }

    pub fn vectorscan(&self) -> Option<Found> {
        let program = self.work.join("vectorscan");
        let matches = self.work.join("matches");
        let output = Command::new(program.exists().then_some(program)?)
            .args([self.work.join("patterns"), self.work.join("log"), "3".into(), matches.clone()])
            .output()
            .expect("should run");
        assert!(output.status.success(), "vectorscan: {}", String::from_utf8_lossy(&output.stderr));
        let speed: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("should print a number");
        let text = std::fs::read_to_string(matches).expect("should have written its matches");
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        let matches = pairs.map(|(line, rule)| (line.parse().expect("a number"), rule.parse().expect("a number")));
        Some(self.found(f64::from(self.lines()) / speed / 1e6, self.lines(), matches.collect()))
    }

    /// Times are those of the whole program, its start (and compiling) taken off.
    pub fn ripgrep(&self) -> Option<Found> {
        let run = |log: &Path, times: usize| {
            let files = vec![log.display().to_string(); times].join(" ");
            let patterns = self.work.join("patterns").display().to_string();
            let script = format!(
                "TIMEFORMAT='%U %S'; time rg -j1 -a -I -n --mmap --no-config --no-unicode --regex-size-limit 1G --dfa-size-limit 1G -f {patterns} {files}"
            );
            let output = Command::new("bash").args(["-c", &script]).output().expect("bash should run");
            let times = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let seconds: Option<f64> = times.split(' ').map(|t| t.parse::<f64>().ok()).sum();
            Some((seconds?, output.stdout))
        };
        let empty = self.work.join("empty");
        std::fs::write(&empty, "").expect("should write");
        let (start, _) = run(&empty, 1)?;
        let (whole, output) = run(&self.work.join("log"), 1)?;
        let numbers = output.split(|byte| *byte == b'\n').filter_map(|line| {
            let number = line.split(|byte| *byte == b':').next()?;
            std::str::from_utf8(number).ok()?.parse::<u32>().ok()
        });
        let matches = numbers.map(|number| (number - 1, 0)).collect();
        Some(self.found((whole - start).max(0.001), self.lines(), matches))
    }
}
