//! How large a request's head may be (`client_header_buffer_size`, `large_client_header_buffers`).

use evergate_core::http::{HeadError, HeadRules};
use evergate_core::model::http::Server;

/// Bytes of a refused request line that are logged.
pub(crate) const LOGGED_LINE_BYTES: usize = 2048;

/// The limits of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    line_bytes: usize,
    total_bytes: usize,
}

/// Which header names are taken seriously.
pub(crate) fn rules(server: &Server) -> HeadRules {
    HeadRules {
        ignore_invalid_headers: server.ignore_invalid_headers,
        underscores_in_headers: server.underscores_in_headers,
    }
}

impl HeadLimits {
    /// The limits of `server`.
    pub(crate) fn of(server: &Server) -> Self {
        let (count, bytes) = server.large_client_header_buffers;
        let first = server.client_header_buffer_bytes as usize;
        Self {
            line_bytes: first.max(bytes as usize),
            total_bytes: first + (count as usize).saturating_mul(bytes as usize),
        }
    }

    /// Checks a complete head.
    pub(crate) fn check(&self, head: &[u8]) -> Result<(), HeadError> {
        if head.len() <= self.line_bytes {
            return Ok(()); // Then each line is shorter.
        }
        let mut lines = head.split_inclusive(|byte| *byte == b'\n');
        if lines.next().is_some_and(|line| line.len() > self.line_bytes) {
            return Err(HeadError::LongLine);
        }
        if head.len() > self.total_bytes || lines.any(|line| line.len() > self.line_bytes) {
            return Err(HeadError::LongHeaders);
        }
        Ok(())
    }

    /// Checks the beginning of a head, before more of it is read.
    pub(crate) fn check_partial(&self, head: &[u8]) -> Result<(), HeadError> {
        if head.len() < self.line_bytes {
            return Ok(());
        }
        let Some(first) = memchr::memchr(b'\n', head) else {
            return Err(HeadError::LongLine);
        };
        if first >= self.line_bytes {
            return Err(HeadError::LongLine);
        }
        let last = memchr::memrchr(b'\n', head).map_or(0, |end| end + 1);
        if head.len() >= self.total_bytes || head.len() - last >= self.line_bytes {
            return Err(HeadError::LongHeaders);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_and_long_heads_are_told_apart() {
        let limits = HeadLimits { line_bytes: 20, total_bytes: 50 };
        let line = |len: usize| format!("{}\n", "a".repeat(len - 1));
        for (head, complete, partial) in [
            (line(10), Ok(()), Ok(())),
            (line(21), Err(HeadError::LongLine), Err(HeadError::LongLine)),
            ("a".repeat(20), Ok(()), Err(HeadError::LongLine)),
            (line(10) + &line(21), Err(HeadError::LongHeaders), Ok(())),
            (line(10) + &"a".repeat(20), Ok(()), Err(HeadError::LongHeaders)),
            (line(18) + &line(18) + &line(18), Err(HeadError::LongHeaders), Err(HeadError::LongHeaders)),
        ] {
            assert_eq!(limits.check_partial(head.as_bytes()), partial, "{head:?}");
            if complete.is_err() {
                assert_eq!(limits.check(head.as_bytes()), complete, "{head:?}");
            }
        }
    }
}
