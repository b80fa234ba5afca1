//! From the tree to settings: looks up each directive, checks its place and its arguments, and
//! applies it.

use evergate_core::model::proxy::{MainSettings, ProxyPlan};

use super::call::{Call, Fault, Placed};
use super::directive::{Apply, Arity, Context, Directive, Notice, find};
use super::session::{HttpMain, Main, Session, StreamMain};
use super::settings::Level;
use super::tree::{Item, Node};
use super::{Options, known, modules, plan};
use crate::source::{Diagnostic, FileId, Host, Severity, Sources, Span};

/// Applies `items`, then makes the plan.
pub(super) fn run(
    options: &Options,
    host: &dyn Host,
    sources: &Sources,
    items: &[Item],
) -> (Option<ProxyPlan>, Vec<Diagnostic>) {
    let mut session = Session {
        options,
        host,
        sources,
        diagnostics: Vec::new(),
        main: Main {
            plan: defaults(options),
            once: Vec::new(),
            events: false,
            connections: None,
            affinity: None,
            error_logs: Vec::new(),
        },
        http: HttpMain { log_formats: vec![modules::log::combined()], ..HttpMain::default() },
        stream: StreamMain::default(),
    };
    let mut level = Level::new(Context::Main);
    session.walk(items, &mut level);
    let unreadable = items.iter().any(|item| matches!(item, Item::Fault(fault) if fault.code == "nginx::open" && fault.labels[0].span.range.is_empty()));
    // nginx stops at the first error, and comes this far only without any.
    if !session.main.events && !unreadable {
        session.missing_events();
    }
    let plan = plan::finish(&mut session);
    let failed = session.diagnostics.iter().any(|fault| fault.severity == Severity::Error);
    (plan.filter(|_| !failed), session.diagnostics)
}

/// The main context without any directive.
fn defaults(options: &Options) -> MainSettings {
    MainSettings {
        user: None,
        worker_threads: Some(1),
        worker_connections: 512,
        open_files_limit: None,
        shutdown_timeout: None,
        nice: 0,
        cpu_affinity: Vec::new(),
        working_directory: None,
        environment: Vec::new(),
        daemon: true,
        master_process: true,
        pid_file: modules::core::default_pid_file(options),
        error_logs: Vec::new(),
    }
}

/// Faults that are looked for; whoever has more has given something else than a configuration.
const MOST_FAULTS: usize = 1000;

/// Unknown names that get a suggestion: each costs a comparison with every known name.
const MOST_SUGGESTIONS: usize = 50;

impl Session<'_> {
    /// Applies the items of one block to its level.
    pub(super) fn walk(&mut self, items: &[Item], level: &mut Level) {
        for item in items {
            if self.diagnostics.len() >= MOST_FAULTS {
                return;
            }
            match item {
                Item::Fault(fault) => self.diagnostics.push((**fault).clone()),
                Item::Directive(node) => {
                    if let Err(fault) = self.apply(node, level) {
                        let entered = fault.entered;
                        self.report(node, fault);
                        if !entered {
                            self.faults_inside(node);
                        }
                    }
                }
            }
        }
    }

    fn apply(&mut self, node: &Node, level: &mut Level) -> Result<(), Box<Fault>> {
        if level.context == Context::Types {
            return modules::http_core::types_entry(level, &mut Call { node, session: self });
        }
        let directive = self.look_up(node, level.context)?;
        let mut call = Call { node, session: self };
        match (directive.apply, &node.block) {
            (Apply::Set(set), _) => set(level, &mut call),
            (Apply::Block(open), Some(block)) => open(level, &mut call, block),
            (Apply::Accept(check, reason, notice), _) => {
                check(&mut call)?;
                if notice == Notice::Hint {
                    call.no_effect(reason);
                }
                Ok(())
            }
            (Apply::Compare(keep, reason), _) => {
                keep(level, &mut call)?;
                call.no_effect(reason);
                Ok(())
            }
            (Apply::Block(_), None) => Ok(()),
        }
    }

    /// The table's entry for `node`, if it may stand here as it is written.
    fn look_up(&mut self, node: &Node, context: Context) -> Result<&'static Directive, Box<Fault>> {
        let name = node.name();
        let at = &node.words[0].span;
        let entries = find(name);
        let Some(directive) = entries.iter().find(|entry| entry.contexts.contains(&context)) else {
            return Err(if let Some(refused) = known::refused(name, context) {
                refused.at(at)
            } else if entries.is_empty() {
                let suggest = self.diagnostics.len() < MOST_SUGGESTIONS;
                known::unknown(name, context, suggest).at(at)
            } else {
                let message = format!("\"{name}\" directive is not allowed here");
                let near = |other: &Context| other.side() == context.side() || other.side().is_none();
                let all = || entries.iter().flat_map(|entry| entry.contexts);
                let any_near = all().any(near);
                let places: Vec<String> = all()
                    .filter(|other| !any_near || near(other))
                    .map(|context| format!("\"{context}\""))
                    .collect();
                Fault::new("nginx::misplaced", message)
                    .at(at)
                    .help(format!("this is \"{context}\"; it belongs in {}", places.join(", ")))
            });
        };
        let opens = matches!(directive.apply, Apply::Block(_));
        if !opens && node.block.is_some() {
            let message = format!("directive \"{name}\" is not terminated by \";\"");
            return Err(Fault::new("nginx::unterminated", message)
                .help("a \";\" is missing, here or at the end of the line before"));
        }
        if opens && node.block.is_none() {
            return Err(Fault::new("nginx::no_block", format!("directive \"{name}\" has no opening \"{{\"")));
        }
        let count = node.words.len() - 1;
        // nginx has room for seven arguments unless a directive takes any number.
        if !directive.arity.accepts(count) {
            let message = format!("invalid number of arguments in \"{name}\" directive");
            let fault = Fault::new("nginx::arguments", message).help(arguments_help(node, directive.arity));
            return Err(match excess(node, directive.arity) {
                Some(span) => fault.at(&span),
                None => fault,
            });
        }
        Ok(directive)
    }

    /// Reports faults of the text in a block that is not gone into.
    fn faults_inside(&mut self, node: &Node) {
        let mut stack: Vec<&Item> = node.block.iter().flat_map(|block| &block.items).collect();
        while let Some(item) = stack.pop() {
            match item {
                Item::Fault(fault) => self.diagnostics.push((**fault).clone()),
                Item::Directive(node) => stack.extend(node.block.iter().flat_map(|block| &block.items)),
            }
        }
    }

    fn missing_events(&mut self) {
        let path = self.options.conf_file();
        let Some(index) = self.sources.files().iter().position(|file| file.path == path) else { return };
        let span = Span { file: FileId(u32::try_from(index).unwrap_or(0)), range: 0..0 };
        let message = "no \"events\" section in configuration";
        let fault = Diagnostic::new(Severity::Error, "nginx::no_events", message, span)
            .stock(format!("[emerg] {message}"))
            .help("add \"events { worker_connections 1024; }\" outside all blocks");
        self.diagnostics.push(fault);
    }
}

/// The arguments that are too many.
fn excess(node: &Node, arity: Arity) -> Option<Span> {
    let most = match arity {
        Arity::Exactly(most) | Arity::Between(_, most) => most,
        Arity::Flag => 1,
        Arity::AtLeast(_) => return None,
    };
    let first = &node.words.get(most + 1)?.span;
    let last = &node.words.last()?.span;
    Some(Span { file: first.file, range: first.range.start..last.range.end })
}

/// A remedy for a wrong number of arguments.
fn arguments_help(node: &Node, arity: Arity) -> String {
    let count = node.words.len() - 1;
    if node.name() == "location" && count > 2 {
        return "quote a pattern that has a space in it, or remove the space".into();
    }
    // A value that holds a directive's name is usually the next line, after a missing ";".
    let swallowed =
        node.words.iter().skip(1).find(|word| word.text.len() > 3 && !find(&word.text).is_empty());
    match swallowed {
        Some(word) => format!("a \";\" is probably missing before \"{}\"", word.text),
        None => format!("it takes {arity}, and {count} were given"),
    }
}

/// Places the fault of a whole block at its end, as nginx does.
pub(super) fn at_end(fault: Box<Fault>) -> Box<Fault> {
    fault.placed(Placed::BlockEnd)
}
