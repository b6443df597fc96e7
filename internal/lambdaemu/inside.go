package lambdaemu

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
)

// inside is an environment of a Handler.
type inside struct {
	f     *function
	work  chan *invocation // room for one
	ended chan struct{}
	once  sync.Once // closes ended
}

func newInside(f *function) *inside {
	e := &inside{f: f, work: make(chan *invocation, 1), ended: make(chan struct{})}
	go e.run()
	return e
}

func (e *inside) give(inv *invocation) { e.work <- inv }
func (e *inside) end()                 { e.once.Do(func() { close(e.ended) }) }

func (e *inside) run() {
	defer e.f.gone(e)
	began := time.Now()
	if e.f.Start > 0 {
		select {
		case <-time.After(e.f.Start):
		case <-e.ended:
		}
	}
	e.f.ready(time.Since(began))
	for {
		select {
		case inv := <-e.work:
			if !e.invoke(inv) {
				return
			}
		case <-e.ended:
			select {
			case inv := <-e.work:
				e.f.again(inv)
			default:
			}
			return
		}
	}
}

// invoke runs the handler. It reports false if the environment has ended with it.
func (e *inside) invoke(inv *invocation) bool {
	e.f.began(inv)
	ctx, cancel := context.WithDeadline(context.Background(), inv.began.Add(e.f.Timeout))
	defer cancel()
	body, err := e.call(ctx, inv.payload)
	var exit *Exit
	switch {
	case errors.As(err, &exit):
		e.f.lost(inv, exited(inv.id, exit.Type, exit.Reason))
		return false
	case err != nil:
		e.f.answered(inv, functionError(typeName(err), err.Error()))
	case len(body) > MaxPayload:
		e.f.answered(inv, answerTooLarge(len(body)))
	default:
		e.f.answered(inv, answer{payload: body})
	}
	return true
}

func (e *inside) call(ctx context.Context, payload []byte) (body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			body, err = nil, &Exit{Type: typeName(p), Reason: fmt.Sprint(p)}
		}
	}()
	return e.f.Handler(ctx, payload)
}

// typeName is what aws-lambda-go calls an error's type.
func typeName(v any) string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}
