//! Which page answers for an error.

use crate::model::http::{ErrorPage, ErrorPageStatus};
use crate::rules::status;

/// The `error_page` for a code, if any: the first one written for it.
#[must_use]
pub fn find(pages: &[ErrorPage], code: u16) -> Option<&ErrorPage> {
    pages.iter().find(|page| page.codes.contains(&code))
}

/// The status that is forced upon an answer from an error page; `None` leaves it to the page.
#[must_use]
pub const fn forced_status(page: &ErrorPage, code: u16) -> Option<u16> {
    match page.status {
        ErrorPageStatus::Keep => Some(status::sent(code)),
        ErrorPageStatus::Change(other) => Some(other),
        ErrorPageStatus::FromTarget => None,
    }
}

/// The status when an error page is an address for the client to go to.
#[must_use]
pub const fn redirect_status(page: &ErrorPage) -> u16 {
    match page.status {
        ErrorPageStatus::Change(code) if status::redirects(code) => code,
        ErrorPageStatus::Change(_) | ErrorPageStatus::Keep | ErrorPageStatus::FromTarget => 302,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::http::ErrorPageTarget;
    use crate::model::template::Template;
    use alloc::vec;

    fn page(codes: &[u16], status: ErrorPageStatus) -> ErrorPage {
        ErrorPage { codes: codes.into(), status, target: ErrorPageTarget::Uri(Template::text(b"/e")) }
    }

    #[test]
    fn the_first_page_for_a_code_counts() {
        let pages = vec![
            page(&[500, 502], ErrorPageStatus::Keep),
            page(&[404], ErrorPageStatus::Change(200)),
            page(&[404], ErrorPageStatus::FromTarget),
        ];
        assert_eq!(find(&pages, 502), Some(&pages[0]));
        assert_eq!(find(&pages, 404), Some(&pages[1]));
        assert_eq!(find(&pages, 403), None);
    }

    #[test]
    fn status_of_each_form() {
        let rows = [
            (ErrorPageStatus::Keep, 404, Some(404), 302),
            (ErrorPageStatus::Keep, 494, Some(400), 302),
            (ErrorPageStatus::Change(200), 404, Some(200), 302),
            (ErrorPageStatus::Change(301), 404, Some(301), 301),
            (ErrorPageStatus::FromTarget, 404, None, 302),
        ];
        for (form, code, forced, redirect) in rows {
            let page = page(&[code], form);
            assert_eq!((forced_status(&page, code), redirect_status(&page)), (forced, redirect), "{form:?}");
        }
    }
}
