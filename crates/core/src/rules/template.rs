//! Evaluation of compiled strings.

use alloc::vec::Vec;

use crate::model::template::{Part, Template};
use crate::model::variable::Variable;

/// Whoever knows the values of variables: a request, or a stream session.
pub trait Values {
    /// Appends the value of `variable` to `out`; false, with nothing appended, when it has none.
    fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool;
}

/// Appends the value of `template` to `out`; variables without a value come to nothing.
pub fn render(template: &Template, values: &(impl Values + ?Sized), out: &mut Vec<u8>) {
    for part in &template.parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text),
            Part::Variable(variable) => {
                values.write(variable, out);
            }
        }
    }
}

/// Whether a condition such as `access_log … if=` holds: its value is neither empty nor `0`.
pub fn holds(template: &Template, values: &(impl Values + ?Sized), scratch: &mut Vec<u8>) -> bool {
    let start = scratch.len();
    render(template, values, scratch);
    let holds = !matches!(&scratch[start..], b"" | b"0");
    scratch.truncate(start);
    holds
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Uri(&'static [u8]);

    impl Values for Uri {
        fn write(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
            let known = *variable == Variable::Uri;
            if known {
                out.extend_from_slice(self.0);
            }
            known
        }
    }

    #[test]
    fn renders_parts_in_order_and_missing_values_as_nothing() {
        let template: Template = [
            Part::Text((*b"a=").into()),
            Part::Variable(Variable::Uri),
            Part::Text((*b" b=").into()),
            Part::Variable(Variable::Args),
            Part::Text((*b";").into()),
        ]
        .into_iter()
        .collect();
        let mut out = b"> ".to_vec();
        render(&template, &Uri(b"/x"), &mut out);
        assert_eq!(out, b"> a=/x b=;");
    }

    #[test]
    fn a_condition_is_false_when_empty_or_zero() {
        let template: Template = [Part::Variable(Variable::Uri)].into_iter().collect();
        let mut scratch = b"kept".to_vec();
        let rows: [(&'static [u8], bool); 4] = [(b"", false), (b"0", false), (b"00", true), (b"1", true)];
        for (value, expected) in rows {
            assert_eq!(holds(&template, &Uri(value), &mut scratch), expected, "{value:?}");
        }
        assert_eq!(scratch, b"kept");
    }
}
