//! What a filter says to a call, by interpreting the program as the kernel does.

use ch_linux::seccomp::{
    AND, Instruction, JUMP, JUMP_IF_EQUAL, JUMP_IF_SET, LOAD_WORD, RETURN, Verdict,
};

/// `ENOSYS`.
pub(super) const NOT_THERE: Verdict = Verdict::Fail(38);

/// A system call, as a filter sees it.
pub(super) struct Call {
    /// `AUDIT_ARCH_*`.
    pub(super) architecture: u32,
    /// Number in that architecture's table.
    pub(super) number: u32,
    /// Arguments, as they are in registers.
    pub(super) arguments: [u64; 6],
}

impl Call {
    /// The answer of `program`; `None` if it is no valid program.
    pub(super) fn judge(&self, program: &[Instruction]) -> Option<Verdict> {
        let mut accumulator = 0;
        let mut next = 0;
        loop {
            let Instruction {
                code,
                if_true,
                if_false,
                value,
            } = *program.get(next)?;
            next += 1;
            let mut jump = |holds| next += usize::from(if holds { if_true } else { if_false });
            match code {
                LOAD_WORD => accumulator = self.word(value)?,
                AND => accumulator &= value,
                JUMP => next += usize::try_from(value).ok()?,
                JUMP_IF_EQUAL => jump(accumulator == value),
                JUMP_IF_SET => jump(accumulator & value != 0),
                RETURN => {
                    return [Verdict::Allow, Verdict::Succeed, Verdict::Ask, NOT_THERE]
                        .into_iter()
                        .find(|verdict| verdict.code() == value);
                }
                _ => return None,
            }
        }
    }

    /// The word at `offset` of `struct seccomp_data`.
    fn word(&self, offset: u32) -> Option<u32> {
        match offset {
            0 => Some(self.number),
            4 => Some(self.architecture),
            _ => {
                let index = usize::try_from(offset.checked_sub(16)? / 8).ok()?;
                let argument = *self.arguments.get(index)?;
                offset.is_multiple_of(8).then_some(argument as u32)
            }
        }
    }
}

#[test]
fn a_program_that_does_not_end_is_no_program() {
    use ch_linux::seccomp::Field;

    let call = Call {
        architecture: 0,
        number: 1,
        arguments: [0; 6],
    };
    assert_eq!(call.judge(&[Instruction::load(Field::Number)]), None);
    assert_eq!(call.judge(&[Instruction::unless_equal(2, 9)]), None);
}
