//! Reads the members of an archive whose every byte a command may have chosen. The tar library's
//! own iterator keeps a long name of any length in memory; here it is capped.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use tar::{Archive, Entries, Entry, EntryType, Header, PaxExtensions};

/// Bytes of an extension header at most: a path and a link target of 4096 bytes each fit many
/// times over.
const EXTENSION: u64 = 64 << 10;

/// A member, with what extension headers before it said (POSIX pax, IEEE 1003.1; and GNU long
/// names). Reading it reads its content.
pub(crate) struct Member<'a, R: Read> {
    entry: Entry<'a, R>,
    extensions: Extensions,
}

#[derive(Debug, Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
}

/// The members from front to back. Nothing is to be read after an error.
pub(crate) fn members<R: Read>(
    archive: &mut Archive<R>,
) -> io::Result<impl Iterator<Item = io::Result<Member<'_, R>>>> {
    let mut entries = archive.entries()?.raw(true);
    Ok(std::iter::from_fn(move || next(&mut entries).transpose()))
}

fn next<'a, R: Read>(entries: &mut Entries<'a, R>) -> io::Result<Option<Member<'a, R>>> {
    let mut extensions = Extensions::default();
    for entry in entries {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::XHeader => extensions.pax(&content(&mut entry)?)?,
            // What holds for all members is nothing that is looked at.
            EntryType::XGlobalHeader => {}
            EntryType::GNULongName => extensions.path = Some(trimmed(content(&mut entry)?)),
            EntryType::GNULongLink => extensions.target = Some(trimmed(content(&mut entry)?)),
            _ => return Ok(Some(Member { entry, extensions })),
        }
    }
    Ok(None)
}

impl<R: Read> Member<'_, R> {
    pub(crate) fn header(&self) -> &Header {
        self.entry.header()
    }

    pub(crate) fn size(&self) -> u64 {
        self.entry.size()
    }

    pub(crate) fn path(&self) -> Cow<'_, [u8]> {
        let long = self.extensions.path.as_deref().map(Cow::Borrowed);
        long.unwrap_or_else(|| self.header().path_bytes())
    }

    pub(crate) fn target(&self) -> Option<Cow<'_, [u8]>> {
        let long = self.extensions.target.as_deref().map(Cow::Borrowed);
        long.or_else(|| self.header().link_name_bytes())
    }
}

impl<R: Read> Read for Member<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.entry.read(buffer)
    }
}

impl Extensions {
    fn pax(&mut self, bytes: &[u8]) -> io::Result<()> {
        for record in PaxExtensions::new(bytes) {
            let record = record?;
            match record.key_bytes() {
                b"path" => self.path = Some(record.value_bytes().to_vec()),
                b"linkpath" => self.target = Some(record.value_bytes().to_vec()),
                // Readers disagree on which size counts; GNU's form and 8 GiB need none.
                b"size" => return Err(invalid("a size in an extension header")),
                _ => {}
            }
        }
        Ok(())
    }
}

fn content<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<u8>> {
    let size = entry.size();
    if size > EXTENSION {
        return Err(invalid("an extension header of more than 64 KiB"));
    }
    let mut bytes = Vec::new();
    if entry.read_to_end(&mut bytes)? as u64 == size {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Without the NUL that GNU tar puts at the end.
fn trimmed(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(members: &[(EntryType, &str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (kind, name, content) in members {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<(String, String)>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut archive = Archive::new(bytes);
        let mut read = Vec::new();
        for member in members(&mut archive)? {
            let mut member = member?;
            let mut content = Vec::new();
            member.read_to_end(&mut content)?;
            let target = member.target().map(|target| text(&target));
            read.push((text(&member.path()), target.unwrap_or_else(|| text(&content))));
        }
        Ok(read)
    }

    #[test]
    fn long_names_of_every_kind_are_those_of_the_next_member_alone() {
        let long = format!("{}\0", "d/".repeat(2000));
        let bytes = archive(&[
            (EntryType::GNULongName, "././@LongLink", long.as_bytes()),
            (EntryType::Regular, "cut", b"content"),
            (EntryType::Regular, "plain", b"more"),
            (EntryType::XHeader, "pax", b"14 path=other\n19 linkpath=target\n"),
            (EntryType::Symlink, "link", b""),
        ]);
        let expected =
            [(long.trim_end_matches('\0'), "content"), ("plain", "more"), ("other", "target")];
        let expected = expected.map(|(path, said)| (path.to_owned(), said.to_owned()));
        assert_eq!(read(&bytes).unwrap(), expected);
    }

    #[test]
    fn no_extension_header_is_taken_at_its_word() {
        let large = vec![b'x'; 64 << 10 | 1];
        for kind in [EntryType::XHeader, EntryType::GNULongName, EntryType::GNULongLink] {
            let bytes = archive(&[(kind, "long", &large), (EntryType::Regular, "a", b"")]);
            let error = read(&bytes).unwrap_err();
            assert!(error.to_string().contains("64 KiB"), "{kind:?}: {error}");
        }
        let sized =
            archive(&[(EntryType::XHeader, "p", b"10 size=1\n"), (EntryType::Regular, "a", b"")]);
        assert!(read(&sized).is_err());
        let everybodys =
            archive(&[(EntryType::XGlobalHeader, "g", &large), (EntryType::Regular, "a", b"")]);
        assert_eq!(read(&everybodys).unwrap().len(), 1);
    }
}
