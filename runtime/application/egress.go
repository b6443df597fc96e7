package application

import (
	"fmt"
	"net"
	"strconv"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/discard"
	"github.com/stateway/stateway/runtime/egress/file"
	"github.com/stateway/stateway/runtime/egress/playground"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

func (b *builder) egress(e *module.Egress) error {
	part := node.Egress{Core: core.Egress{Name: e.ID.String()}}
	switch spec := e.Spec.(type) {
	case *module.PlaygroundEgress:
		// A record becomes visible when it cannot be undone any more.
		part.Core.AfterCommit = true
		part.Open = b.playgroundEgress(spec)
	case *module.FileEgress:
		part.Core.AfterCommit = spec.Delivery == module.DeliveryAfterCommit
		part.Open = fileEgress(spec)
	case *module.DiscardEgress:
		part.Open = b.discardEgress(e.ID.String())
	case *module.KinesisEgress:
		part.Core.AfterCommit = spec.Delivery == module.DeliveryAfterCommit
		part.Open = b.kinesisEgress(e.ID.String(), spec)
	default:
		return fmt.Errorf("%s: egress %s: no driver for kind %s", e.At, e.ID, e.Kind)
	}
	b.parts.Egresses = append(b.parts.Egresses, part)
	return nil
}

func (b *builder) playgroundEgress(spec *module.PlaygroundEgress) func(core.ApplicationID, int) (egress.Egress, error) {
	return func(_ core.ApplicationID, lanes int) (egress.Egress, error) {
		e, err := playground.Open(playground.Options{
			Addr: net.JoinHostPort(b.opt.Host, strconv.Itoa(spec.Port)), Topics: spec.Topics, Lanes: lanes, Log: b.opt.Log,
		})
		if err != nil {
			return nil, err
		}
		b.opt.Log.Info("playground egress listens", "address", e.Addr().String(), "topics", spec.Topics)
		return e, nil
	}
}

func fileEgress(spec *module.FileEgress) func(core.ApplicationID, int) (egress.Egress, error) {
	return func(app core.ApplicationID, lanes int) (egress.Egress, error) {
		opts := file.Options{Path: spec.Path, Application: app, Lanes: lanes}
		if spec.Delivery == module.DeliveryAfterCommit {
			return file.OpenPublisher(opts)
		}
		return file.OpenEmitter(opts)
	}
}

func (b *builder) discardEgress(id string) func(core.ApplicationID, int) (egress.Egress, error) {
	return func(_ core.ApplicationID, lanes int) (egress.Egress, error) {
		e, err := discard.Open(discard.Options{Lanes: lanes})
		if err == nil && b.opt.Discarded != nil {
			b.opt.Discarded(id, e)
		}
		return e, err
	}
}
