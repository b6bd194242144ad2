//! `hopkeeper top`: all chains on a full screen, as they are now.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use miette::{IntoDiagnostic, WrapErr, miette};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::signal::unix::{SignalKind, signal};

use super::cluster::live::Live;
use super::cluster::{ClusterArgs, Scope, block_on};

mod screen;

use screen::Screen;

/// How often keys are looked for, and ages go on.
const TICK: Duration = Duration::from_millis(100);

/// Shows all chains on a full screen, as they are now: paths, hops, what is held and why, incidents.
///
/// Up and down (or k and j) choose a chain, q leaves. It only looks; nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 left; 1 no answer from the API server, or no terminal; 2 wrong usage.\n\n\
    Examples:\n  hopkeeper top\n  hopkeeper top -A")]
pub(super) struct Top {
    /// The chains of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Previous,
    Next,
    Leave,
}

impl Top {
    pub(super) fn run(self) -> miette::Result<()> {
        if !std::io::stdout().is_terminal() {
            return Err(miette!(help = "use `hopkeeper status --watch` instead", "a full screen needs a terminal"));
        }
        block_on(async {
            let cluster = self.cluster.connect().await?;
            let namespace = (!self.all_namespaces).then(|| cluster.namespace.clone());
            let mut live = Live::begin(&cluster, Scope { namespace, chain: None }).await?;
            // The screen is taken only when there is something to show on it.
            live.changed().await?;
            let mut terminal = ratatui::try_init().into_diagnostic().wrap_err("failed to take the screen")?;
            let left = show(&mut live, &mut terminal).await;
            ratatui::restore();
            left
        })
    }
}

async fn show(live: &mut Live, terminal: &mut DefaultTerminal) -> miette::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
    let mut screen = Screen::default();
    loop {
        let (all, trouble) = (live.overview(), live.trouble());
        screen.keep_choice(&all);
        let draw = |frame: &mut ratatui::Frame<'_>| screen.draw(frame, &all, trouble.as_deref(), Timestamp::now());
        terminal.draw(draw).into_diagnostic().wrap_err("failed to draw")?;
        tokio::select! {
            changed = live.changed() => changed?,
            () = tokio::time::sleep(TICK) => {}
            _ = terminate.recv() => return Ok(()),
        }
        while event::poll(Duration::ZERO).into_diagnostic()? {
            match wish(&event::read().into_diagnostic()?) {
                Some(Wish::Leave) => return Ok(()),
                Some(Wish::Next) => screen.choose(&all, 1),
                Some(Wish::Previous) => screen.choose(&all, -1),
                None => {}
            }
        }
    }
}

fn wish(event: &Event) -> Option<Wish> {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else { return None };
    match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Some(Wish::Leave),
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::Leave),
        KeyCode::Char('j') | KeyCode::Down => Some(Wish::Next),
        KeyCode::Char('k') | KeyCode::Up => Some(Wish::Previous),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_choose_and_leave_and_others_do_nothing() {
        let key = |code, modifiers| wish(&Event::Key(KeyEvent::new(code, modifiers)));
        let plain = |code| key(code, KeyModifiers::NONE);
        assert_eq!([plain(KeyCode::Char('j')), plain(KeyCode::Down)], [Some(Wish::Next); 2]);
        assert_eq!([plain(KeyCode::Char('k')), plain(KeyCode::Up)], [Some(Wish::Previous); 2]);
        assert_eq!([plain(KeyCode::Char('q')), plain(KeyCode::Esc)], [Some(Wish::Leave); 2]);
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Wish::Leave));
        assert_eq!([plain(KeyCode::Char('c')), wish(&Event::FocusGained)], [None; 2]);
    }
}
