//! From the tree to settings: looks up each directive, checks its place and its arguments, and
//! applies it.

use evergate_core::model::proxy::{MainSettings, ProxyPlan};

use super::call::{Call, Fault, Placed};
use super::directive::{Apply, Arity, Context, Directive, find};
use super::settings::{HttpMain, Level, Main, Session, StreamMain};
use super::tree::{Item, Node};
use super::{Options, known, modules, plan};
use crate::source::{Diagnostic, Host, Severity, Sources};

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
        main: Main { plan: defaults(options), once: Vec::new(), events: false, error_logs: Vec::new() },
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
        multi_accept: false,
    }
}

impl Session<'_> {
    /// Applies the items of one block to its level.
    pub(super) fn walk(&mut self, items: &[Item], level: &mut Level) {
        for item in items {
            match item {
                Item::Fault(fault) => self.diagnostics.push((**fault).clone()),
                Item::Directive(node) => {
                    if let Err(fault) = self.apply(node, level) {
                        self.report(node, fault);
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
            (Apply::Block(_) | Apply::Accept(_), _) => Ok(()),
        }
    }

    /// The table's entry for `node`, if it may stand here as it is written.
    fn look_up(&mut self, node: &Node, context: Context) -> Result<&'static Directive, Box<Fault>> {
        let name = node.name();
        let at = &node.words[0].span;
        let entries = find(name);
        let Some(directive) = entries.iter().find(|entry| entry.contexts.contains(&context)) else {
            self.faults_inside(node);
            return Err(if let Some(refused) = known::refused(name, context) {
                refused.at(at)
            } else if entries.is_empty() {
                known::unknown(name, context).at(at)
            } else {
                let message = format!("\"{name}\" directive is not allowed here");
                let places: Vec<String> =
                    entries.iter().flat_map(|entry| entry.contexts).map(|context| format!("\"{context}\"")).collect();
                Fault::new("nginx::misplaced", message)
                    .at(at)
                    .help(format!("this is \"{context}\"; it belongs in {}", places.join(", ")))
            });
        };
        let opens = matches!(directive.apply, Apply::Block(_));
        if !opens && node.block.is_some() {
            self.faults_inside(node);
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
            self.faults_inside(node);
            let message = format!("invalid number of arguments in \"{name}\" directive");
            return Err(Fault::new("nginx::arguments", message).help(arguments_help(node, directive.arity)));
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
        let Some(span) = self.sources.files().last().map(|_| crate::source::Span {
            file: crate::source::FileId(0),
            range: 0..0,
        }) else {
            return;
        };
        let message = "no \"events\" section in configuration";
        let fault = Diagnostic::new(Severity::Error, "nginx::no_events", message, span)
            .stock(format!("[emerg] {message}"))
            .help("add \"events { worker_connections 1024; }\" outside all blocks");
        self.diagnostics.push(fault);
    }
}

/// A remedy for a wrong number of arguments.
fn arguments_help(node: &Node, arity: Arity) -> String {
    let count = node.words.len() - 1;
    if node.name() == "location" && count > 2 {
        return "quote a pattern that has a space in it, or remove the space".into();
    }
    // A value that holds a directive's name is usually the next line, after a missing ";".
    let swallowed = node.words.iter().skip(1).find(|word| word.text.len() > 3 && !find(&word.text).is_empty());
    match swallowed {
        Some(word) => format!("a \";\" is probably missing before \"{}\"", word.text),
        None => format!("it takes {arity}, and {count} were given"),
    }
}

/// Marks a directive that may stand only once, outside levels.
pub(super) fn once(seen: &mut Vec<String>, call: &Call<'_, '_>) -> Result<(), Box<Fault>> {
    let name = call.node.name();
    if seen.iter().any(|before| before == name) {
        return Err(Fault::duplicate());
    }
    seen.push(name.into());
    Ok(())
}

/// Places the fault of a whole block at its end, as nginx does.
pub(super) fn at_end(fault: Box<Fault>) -> Box<Fault> {
    fault.placed(Placed::BlockEnd)
}
