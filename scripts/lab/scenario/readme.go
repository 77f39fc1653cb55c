package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"heptap/scripts/lab/box"
)

// The picture in README.md is between these.
const (
	pictureBegins = "<!-- scripts/lab/scenario/draw: the picture begins -->\n```mermaid\n"
	pictureEnds   = "```\n<!-- scripts/lab/scenario/draw: the picture ends -->\n"
)

// readme returns what is before the picture in README.md, the picture, and what
// is behind it.
func readme() (file, before, picture, behind string, err error) {
	root, err := box.Root()
	if err != nil {
		return "", "", "", "", err
	}
	file = filepath.Join(root, "README.md")
	b, err := os.ReadFile(file)
	if err != nil {
		return "", "", "", "", err
	}
	before, rest, begins := strings.Cut(string(b), pictureBegins)
	picture, behind, ends := strings.Cut(rest, pictureEnds)
	if !begins || !ends {
		return "", "", "", "", errors.New("README.md has no place for the picture")
	}
	return file, before, picture, behind, nil
}

// Drawn returns the picture that README.md has.
func Drawn() (string, error) {
	_, _, picture, _, err := readme()
	return picture, err
}

// Draw puts another one there.
func Draw(picture string) error {
	file, before, _, behind, err := readme()
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(before+pictureBegins+picture+pictureEnds+behind), 0o644)
}
