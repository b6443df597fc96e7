package core

// freshItem is an invocation that was not sent yet.
type freshItem struct {
	inv  *Invocation
	at   Millis // when it came
	size int    // in a group's request, in bytes
}

// freshItems is a queue of them in one growing slice.
type freshItems struct {
	items []freshItem
	head  int
	bytes int // of all
}

func (f *freshItems) len() int { return len(f.items) - f.head }

func (f *freshItems) first() *freshItem { return &f.items[f.head] }

func (f *freshItems) push(item freshItem) {
	if len(f.items) == cap(f.items) && f.head > len(f.items)/2 {
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	f.items = append(f.items, item)
	f.bytes += item.size
}

func (f *freshItems) pop() freshItem {
	item := f.items[f.head]
	f.items[f.head] = freshItem{}
	if f.head++; f.head == len(f.items) {
		f.items, f.head = f.items[:0], 0
	}
	f.bytes -= item.size
	return item
}

// drop removes what gone says.
func (f *freshItems) drop(gone func(*Invocation) bool) {
	var kept freshItems
	for f.len() > 0 {
		if item := f.pop(); !gone(item.inv) {
			kept.push(item)
		}
	}
	*f = kept
}

// groupHeap has the group due first at index 0.
type groupHeap []*Group

func (g *Group) before(o *Group) bool { return g.due < o.due || (g.due == o.due && g.order < o.order) }

func (h *groupHeap) push(g *Group) {
	*h = append(*h, g)
	q := *h
	for i := len(q) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q[i].before(q[parent]) {
			return
		}
		q[i], q[parent] = q[parent], q[i]
		i = parent
	}
}

func (h *groupHeap) pop() *Group {
	q := *h
	top, n := q[0], len(q)-1
	q[0], q[n] = q[n], nil
	*h = q[:n]
	h.down(0)
	return top
}

func (h groupHeap) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].before(h[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// init makes a heap of groups in any order.
func (h groupHeap) init() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}
