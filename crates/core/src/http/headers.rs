//! Header fields over one buffer: no allocation for a field, once the buffers have grown.

use alloc::vec::Vec;
use core::ops::Range;

/// A list of header fields in the order in which they came or will go.
///
/// Names keep their spelling; look-ups ignore case (RFC 9110 §5.1). Clearing keeps the memory.
#[derive(Clone, Debug, Default)]
pub struct HeaderTable {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    name_start: u32,
    value_start: u32,
    value_end: u32,
    name_len: u16,
}

impl HeaderTable {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), slots: Vec::new() }
    }

    /// Forgets all fields.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
    }

    /// Appends a field. One that would not fit (4 GiB of fields, a name of 64 KiB) is left out.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let name_start = self.bytes.len();
        self.bytes.reserve(name.len() + value.len());
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        let value_start = name_start + name.len();
        self.mark(name_start..value_start, value_start..value_start + value.len());
    }

    /// Appends a field whose value is written piece by piece.
    pub fn begin(&mut self, name: &[u8]) -> FieldWriter<'_> {
        let name_start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        FieldWriter { value_start: self.bytes.len(), name_start, table: self }
    }

    /// Replaces the table's text by `block`; [`HeaderTable::mark`] then names the fields in it.
    pub(super) fn load(&mut self, block: &[u8]) {
        self.clear();
        self.bytes.extend_from_slice(block);
    }

    /// Adds a field that stands in the loaded block at these places.
    pub(super) fn mark(&mut self, name: Range<usize>, value: Range<usize>) {
        let (Ok(name_start), Ok(value_start), Ok(value_end), Ok(name_len)) = (
            u32::try_from(name.start),
            u32::try_from(value.start),
            u32::try_from(value.end),
            u16::try_from(name.len()),
        ) else {
            return;
        };
        self.slots.push(Slot { name_start, value_start, value_end, name_len });
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The fields, as (name, value), in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        self.slots.iter().map(|slot| self.field(*slot))
    }

    /// The field at `index`; `None` beyond the last.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.slots.get(index).map(|slot| self.field(*slot))
    }

    /// The value of the first field called `name`, in either case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The values of all fields called `name`, in either case.
    pub fn get_all<'a, 'n>(&'a self, name: &'n [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.slots
            .iter()
            .filter(move |slot| usize::from(slot.name_len) == name.len())
            .map(|slot| self.field(*slot))
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Gives the field called `name` this value, in its place; others of the name are removed, and
    /// if there is none, one is appended.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let is_it = |(found, _): &(&[u8], &[u8])| found.eq_ignore_ascii_case(name);
        let first = self.iter().position(|field| is_it(&field));
        let value_start = self.bytes.len();
        let (Some(first), Ok(start), Ok(end)) =
            (first, u32::try_from(value_start), u32::try_from(value_start + value.len()))
        else {
            return self.push(name, value);
        };
        let Some(kept) = self.slots.get(first).copied() else { return };
        self.remove(name);
        self.bytes.extend_from_slice(value);
        self.slots.insert(first, Slot { value_start: start, value_end: end, ..kept });
    }

    /// Removes all fields called `name`, in either case.
    pub fn remove(&mut self, name: &[u8]) {
        let bytes = &self.bytes;
        self.slots.retain(|slot| {
            let start = slot.name_start as usize;
            !bytes[start..start + usize::from(slot.name_len)].eq_ignore_ascii_case(name)
        });
    }

    fn field(&self, slot: Slot) -> (&[u8], &[u8]) {
        let name_start = slot.name_start as usize;
        (
            &self.bytes[name_start..name_start + usize::from(slot.name_len)],
            &self.bytes[slot.value_start as usize..slot.value_end as usize],
        )
    }
}

/// A field that is being written; dropped without [`FieldWriter::finish`], it leaves no trace.
pub struct FieldWriter<'a> {
    table: &'a mut HeaderTable,
    name_start: usize,
    value_start: usize,
}

impl FieldWriter<'_> {
    /// Appends to the value.
    pub fn append(&mut self, bytes: &[u8]) {
        self.table.bytes.extend_from_slice(bytes);
    }

    /// The value's buffer, to append to.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.table.bytes
    }

    /// Whether nothing has been written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.bytes.len() <= self.value_start
    }

    /// The field is complete.
    pub fn finish(self) {
        let (Ok(name_start), Ok(value_start), Ok(value_end), Ok(name_len)) = (
            u32::try_from(self.name_start),
            u32::try_from(self.value_start),
            u32::try_from(self.table.bytes.len()),
            u16::try_from(self.value_start - self.name_start),
        ) else {
            return;
        };
        self.table.slots.push(Slot { name_start, value_start, value_end, name_len });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_either_case_and_keep_their_order() {
        let mut table = HeaderTable::new();
        table.push(b"Set-Cookie", b"a=1");
        table.push(b"Content-Type", b"text/html");
        table.push(b"set-cookie", b"b=2");
        assert_eq!(table.get(b"CONTENT-TYPE"), Some(&b"text/html"[..]));
        assert_eq!(table.get_all(b"Set-Cookie").collect::<Vec<_>>(), [b"a=1", b"b=2"]);
        assert_eq!(table.get(b"cookie"), None);
        table.remove(b"SET-COOKIE");
        assert_eq!(table.iter().collect::<Vec<_>>(), [(&b"Content-Type"[..], &b"text/html"[..])]);
    }

    #[test]
    fn a_field_is_replaced_in_its_place() {
        let mut table = HeaderTable::new();
        for (name, value) in [("A", "1"), ("b", "2"), ("C", "3"), ("B", "4")] {
            table.push(name.as_bytes(), value.as_bytes());
        }
        table.set(b"B", b"new");
        table.set(b"D", b"5");
        let fields: Vec<(&[u8], &[u8])> = table.iter().collect();
        assert_eq!(fields, [(&b"A"[..], &b"1"[..]), (b"b", b"new"), (b"C", b"3"), (b"D", b"5")]);
    }

    #[test]
    fn a_field_given_up_half_way_leaves_no_trace() {
        let mut table = HeaderTable::new();
        table.begin(b"X-A").append(b"1");
        table.push(b"X-B", b"2");
        assert_eq!(table.iter().collect::<Vec<_>>(), [(&b"X-B"[..], &b"2"[..])]);
    }
}
