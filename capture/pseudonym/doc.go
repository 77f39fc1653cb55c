// Package pseudonym replaces telephone numbers and user names by others, by a
// key: the same number always becomes the same other one, whoever has the key
// can undo it, and nobody else can.
//
// It replaces in place and keeps the length, and with it every offset and
// Content-Length of the text around it:
//
//   - Of a number the last seven digits are replaced, what is before them stays
//     (country and area), so that +49 30 1234567, 0049301234567 and 0301234567 end
//     alike afterwards, too. A shorter number is replaced as a whole.
//   - Of a name the letters (A to Z, in either case) and digits are replaced, as
//     a whole and by lower case letters and digits of which one is a letter. A
//     name never looks like a number afterwards, nor a number like a name.
//   - What is neither, as the plus sign, dots, dashes and octets above 127,
//     stays; of a percent escape in a name that stands for no punctuation the
//     digits become x.
//
// The method is FF1 with AES-256 (NIST SP 800-38G 5.1), the tweak the kind. Of short
// numbers, extensions of three digits say, there are so few that one who
// learns enough pairs in other ways has all of them: the method is as strong as
// there are others to hide among.
package pseudonym
