package cloudevents

import "github.com/stateway/stateway/runtime/core"

// Size is what an invocation takes in a JSON group, in bytes: roughly and rather too much, but at less cost than encoding it. For
// core.GroupDispatcherConfig; there is no limit over HTTP that it would have to be exact for.
func Size(inv *core.Invocation) int {
	const (
		item    = 512 // attributes, without the Address
		element = 24  // tags and lengths of a state or a message
	)
	of := len(inv.Target.Type) + len(inv.Target.ID)
	data := of + element
	for i := range inv.States {
		data += len(inv.States[i].Name) + len(inv.States[i].Value) + element
	}
	for _, m := range inv.Messages {
		data += len(m.Arg) + len(m.Caller.Type) + len(m.Caller.ID) + 2*element
	}
	return item + 3*of + (data+2)/3*4
}
