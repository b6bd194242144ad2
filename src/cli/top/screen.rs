//! The screen: chains above, the chosen one's path, hops and incidents below.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState};

use crate::cli::output::{age, or_dash};
use crate::overview::{ChainOverview, Overview, Tone, printable};

/// What is chosen.
#[derive(Default)]
pub(super) struct Screen {
    /// Namespace and name: a chain stays chosen when others come and go.
    chosen: Option<(String, String)>,
    rows: TableState,
}

impl Screen {
    /// Keeps the chosen chain where it is still there, else chooses the first.
    pub(super) fn keep_choice(&mut self, all: &Overview) {
        let place = all.chains.iter().position(|chain| Some(key(chain)) == self.chosen).unwrap_or(0);
        self.set(all, place);
    }

    /// Moves the choice by so many chains, not beyond the ends.
    pub(super) fn choose(&mut self, all: &Overview, by: isize) {
        let place = self.rows.selected().unwrap_or(0).saturating_add_signed(by);
        self.set(all, place.min(all.chains.len().saturating_sub(1)));
    }

    fn set(&mut self, all: &Overview, place: usize) {
        self.chosen = all.chains.get(place).map(key);
        self.rows.select(self.chosen.as_ref().map(|_| place));
    }

    /// Draws everything; `trouble` says why it may be old.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, all: &Overview, trouble: Option<&str>, now: Timestamp) {
        let list = u16::try_from(all.chains.len()).unwrap_or(u16::MAX).saturating_add(3).min(frame.area().height / 2);
        let [above, below, last] =
            Layout::vertical([Constraint::Length(list), Constraint::Fill(1), Constraint::Length(1)])
                .areas(frame.area());
        frame.render_stateful_widget(chains(all, now), above, &mut self.rows);
        match self.rows.selected().and_then(|place| all.chains.get(place)) {
            Some(chain) => draw_chain(frame, below, chain, now),
            None => frame.render_widget(Paragraph::new("no chains yet"), below),
        }
        let foot = match trouble {
            Some(trouble) => Line::styled(printable(trouble).into_owned(), Style::new().fg(Color::Red)),
            None => Line::styled("up/down choose a chain, q leaves", Style::new().add_modifier(Modifier::DIM)),
        };
        frame.render_widget(foot, last);
    }
}

fn key(chain: &ChainOverview) -> (String, String) {
    (chain.namespace.clone(), chain.name.clone())
}

fn chains(all: &Overview, now: Timestamp) -> Table<'static> {
    let row = |chain: &ChainOverview| {
        Row::new([
            cell(&format!("{}/{}", chain.namespace, chain.name)),
            cell(&chain.phase_word()).style(colour(chain.phase)),
            cell(&format!("{}/{}", chain.hops_up, chain.hops.len())),
            cell(&chain.open_incidents().count().to_string()),
            cell(&age(now, chain.last_recovery)),
            cell(chain.message.as_deref().unwrap_or("no operator has looked at it yet")),
        ])
    };
    let widths = [
        Constraint::Max(40),
        Constraint::Length(10),
        Constraint::Length(5),
        Constraint::Length(9),
        Constraint::Length(13),
        Constraint::Fill(1),
    ];
    table(all.chains.iter().map(row), widths, ["CHAIN", "PHASE", "HOPS", "INCIDENTS", "LAST RECOVERY", "MESSAGE"])
        .block(Block::bordered().title(" hopkeeper "))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
}

fn draw_chain(frame: &mut Frame<'_>, area: Rect, chain: &ChainOverview, now: Timestamp) {
    let block = Block::bordered().title(format!(" {}/{} ", chain.namespace, chain.name));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let hops = u16::try_from(chain.hops.len()).unwrap_or(u16::MAX).saturating_add(2);
    let [path_line, hop_table, incidents] =
        Layout::vertical([Constraint::Length(2), Constraint::Length(hops), Constraint::Fill(1)]).areas(inner);
    frame.render_widget(path(chain), path_line);
    let hop_rows = chain.hops.iter().map(|hop| {
        Row::new([
            cell(&hop.name),
            cell(&format!("{:?}", hop.state)).style(colour(hop.state)),
            cell(&age(now, hop.since)),
            cell(&or_dash(hop.candidate.as_deref())),
            cell(&hop.candidates_left.map_or_else(|| "?".to_owned(), |left| left.to_string())),
            cell(&hop.held.as_ref().map(|held| held.message.clone()).unwrap_or_default()),
        ])
    });
    let widths = [
        Constraint::Length(16),
        Constraint::Length(10),
        Constraint::Length(7),
        Constraint::Max(30),
        Constraint::Length(4),
        Constraint::Fill(1),
    ];
    frame.render_widget(table(hop_rows, widths, ["HOP", "STATE", "SINCE", "CANDIDATE", "LEFT", "HELD"]), hop_table);
    let incident_rows = chain.incidents.iter().map(|story| {
        Row::new([
            cell(&age(now, Some(story.last.time))),
            cell(&story.hop),
            cell(&format!("{:?}", story.phase)).style(colour(story.phase)),
            cell(&story.rule.id),
            cell(&story.line),
        ])
    });
    let widths = [
        Constraint::Length(7),
        Constraint::Length(16),
        Constraint::Length(10),
        Constraint::Max(32),
        Constraint::Fill(1),
    ];
    frame.render_widget(table(incident_rows, widths, ["AGO", "HOP", "INCIDENT", "RULE", "LINE"]), incidents);
}

/// application → exit → … → internet, each hop in the colour of its state.
fn path(chain: &ChainOverview) -> Line<'static> {
    let mut spans = vec![Span::raw("application")];
    for hop in chain.hops.iter().rev() {
        spans.push(Span::raw(" → "));
        spans.push(Span::styled(hop.name.clone(), colour(hop.state)));
    }
    spans.push(Span::raw(" → internet"));
    Line::from(spans)
}

fn table<const N: usize>(
    rows: impl IntoIterator<Item = Row<'static>>,
    widths: [Constraint; N],
    header: [&'static str; N],
) -> Table<'static> {
    Table::new(rows, widths).header(Row::new(header).style(Style::new().add_modifier(Modifier::BOLD)))
}

fn cell(text: &str) -> Cell<'static> {
    Cell::new(printable(text).into_owned())
}

fn colour(state: impl Into<Tone>) -> Style {
    let colour = match state.into() {
        Tone::Good => Color::Green,
        Tone::Busy => Color::Yellow,
        Tone::Bad => Color::Red,
        Tone::Neutral => Color::Reset,
    };
    Style::new().fg(colour)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::overview::overview;
    use crate::overview::tests::{berlin, rotated, symptom};

    fn drawn(screen: &mut Screen, all: &Overview, trouble: Option<&str>, size: (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        let now = "2026-11-22T12:00:10Z".parse().unwrap();
        screen.keep_choice(all);
        terminal.draw(|frame| screen.draw(frame, all, trouble, now)).unwrap();
        terminal.backend().to_string()
    }

    fn two_chains() -> Overview {
        let mut other = berlin();
        (other.metadata.name, other.status) = (Some("oslo".into()), None);
        overview(&[berlin(), other], &[rotated(None), symptom()])
    }

    #[test]
    fn the_chosen_chain_is_shown_with_its_hops_and_incidents() {
        insta::assert_snapshot!(drawn(&mut Screen::default(), &two_chains(), None, (110, 22)));
    }

    #[test]
    fn a_choice_moves_to_the_ends_and_stays_with_its_chain() {
        let (mut screen, all) = (Screen::default(), two_chains());
        screen.keep_choice(&all);
        let chosen = |screen: &Screen| screen.chosen.clone().map(|(_, name)| name);
        assert_eq!(chosen(&screen).as_deref(), Some("berlin"));
        screen.choose(&all, -1);
        assert_eq!(chosen(&screen).as_deref(), Some("berlin"));
        screen.choose(&all, 1);
        screen.choose(&all, 1);
        assert_eq!(chosen(&screen).as_deref(), Some("oslo"));
        let fewer = Overview { chains: all.chains[1..].to_vec() };
        screen.keep_choice(&fewer);
        assert_eq!((chosen(&screen).as_deref(), screen.rows.selected()), (Some("oslo"), Some(0)));
        screen.keep_choice(&Overview::default());
        assert_eq!((chosen(&screen), screen.rows.selected()), (None, None));
    }

    #[test]
    fn any_size_can_be_drawn_and_trouble_is_told() {
        let all = two_chains();
        for size in [(1, 1), (20, 3), (300, 90)] {
            drawn(&mut Screen::default(), &all, Some("no news"), size);
        }
        assert!(drawn(&mut Screen::default(), &Overview::default(), Some("no news"), (40, 8)).contains("no news"));
    }
}
