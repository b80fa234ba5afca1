//! The lab's screen: who holds the address, why, and what a client sees of it.
//!
//! [`observer`] looks at the lab from threads of its own and keeps a picture; [`view`] draws the
//! picture; this module reads keys and sets accidents off.

mod observer;
mod view;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::topology::{APPS, BALANCERS, Lab};
use observer::{Accident, Observer};

/// The machines, in the order of the screen.
const MACHINES: [&str; 4] = [BALANCERS[0], BALANCERS[1], APPS[0], APPS[1]];

/// Shows the lab until the user leaves.
pub(crate) fn show(lab: &Lab, relay: SocketAddr) -> ExitCode {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return show_plain(lab, relay);
    }
    let observer = &Observer::new(lab);
    // A panic restores the terminal too: `ratatui::init` sees to it.
    let mut terminal = ratatui::init();
    let outcome = std::thread::scope(|scope| {
        observer.watch(scope);
        let mut selected = 0;
        let outcome = loop {
            let drawn = terminal.draw(|frame| view::draw(frame, &observer.picture(), relay, selected));
            if let Err(error) = drawn {
                break Err(error);
            }
            match next_key(Duration::from_millis(100)) {
                Ok(Some(key)) => match command(key, &mut selected) {
                    Command::None => {}
                    Command::Leave => break Ok(()),
                    Command::Accident(accident) => {
                        let machine = MACHINES[selected];
                        scope.spawn(move || observer.cause(machine, accident));
                    }
                },
                Ok(None) => {}
                Err(error) => break Err(error),
            }
        };
        observer.stop();
        outcome
    });
    ratatui::restore();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evergate lab: the terminal: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Without a terminal: the events, line by line, until standard input ends or a signal comes.
fn show_plain(lab: &Lab, relay: SocketAddr) -> ExitCode {
    let observer = Observer::new(lab);
    println!("the service is at http://{relay}/ (no terminal: no screen; end with Ctrl-C)");
    std::thread::scope(|scope| {
        observer.watch(scope);
        let mut printed = 0;
        loop {
            let picture = observer.picture();
            for entry in picture.log.iter().filter(|entry| entry.serial > printed) {
                println!("{}  {:<6} {}", view::clock(entry.time_ms), entry.machine, entry.text);
            }
            printed = picture.log.back().map_or(printed, |entry| entry.serial);
            std::thread::sleep(Duration::from_millis(100));
        }
    })
}

enum Command {
    None,
    Leave,
    Accident(Accident),
}

fn next_key(patience: Duration) -> std::io::Result<Option<KeyEvent>> {
    if !event::poll(patience)? {
        return Ok(None);
    }
    match event::read()? {
        Event::Key(key) if key.kind == KeyEventKind::Press => Ok(Some(key)),
        _ => Ok(None),
    }
}

fn command(key: KeyEvent, selected: &mut usize) -> Command {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Command::Leave,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Command::Leave,
        KeyCode::Up => *selected = selected.checked_sub(1).unwrap_or(MACHINES.len() - 1),
        KeyCode::Down | KeyCode::Tab => *selected = (*selected + 1) % MACHINES.len(),
        KeyCode::Char(digit @ '1'..='4') => {
            *selected = digit.to_digit(10).map_or(0, |digit| digit as usize - 1);
        }
        KeyCode::Char('k') => return Command::Accident(Accident::Kill),
        KeyCode::Char('p') => return Command::Accident(Accident::KillProxy),
        KeyCode::Char('f') => return Command::Accident(Accident::Freeze),
        KeyCode::Char('z') => return Command::Accident(Accident::FreezeProxy),
        KeyCode::Char('u') => return Command::Accident(Accident::Unplug),
        KeyCode::Char('b') => return Command::Accident(Accident::BringBack),
        _ => {}
    }
    Command::None
}
