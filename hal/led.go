package hal

// LED is one light that is either on or off.
//
// Methods may be called from any goroutine. What the light shows before the
// first Set is undefined. What was last set is the caller's to remember: there
// is no way to ask, because on some drivers reading an output changes it.
type LED interface {
	// Name returns the name the light was opened under. It never changes.
	Name() string

	// Set lights the LED or darkens it. Setting what is already set is not an
	// error. After an error the light's state is undefined; the next Set tries
	// again from the start. After Close the error wraps os.ErrClosed.
	Set(on bool) error

	// Close darkens the light and gives it back; who had it before may light
	// it again. Closing twice does nothing.
	Close() error
}

// Annotator is an LED that can also say in words what it shows. Lights drawn
// on a screen are; real ones are not.
type Annotator interface {
	// Annotate replaces the light's words; an empty text takes them away. What
	// is not printable is shown as a space. It may be called from any
	// goroutine, never fails, and means nothing after Close.
	Annotate(text string)
}
