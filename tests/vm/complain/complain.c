// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes one mistake when it is loaded, for a test that the kernel's detectors
 * are on and that the guest harness hears them: insmod complain.ko mistake=NAME
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

static char *mistake = "none";
module_param(mistake, charp, 0444);
MODULE_PARM_DESC(mistake, "which mistake to make");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);

static void take_both(struct mutex *outer, struct mutex *inner)
{
	mutex_lock(outer);
	mutex_lock(inner);
	mutex_unlock(inner);
	mutex_unlock(outer);
}

/* Two orders are enough: nobody has to be there to deadlock with. */
static void make_order(void)
{
	take_both(&first, &second);
	take_both(&second, &first);
}

/* Two locks of one class; there is no deadlock */
static void make_recursion(void)
{
	struct mutex locks[2];	/* of one class, as one line initializes both */
	int i;

	for (i = 0; i < 2; i++)
		mutex_init(&locks[i]);
	take_both(&locks[0], &locks[1]);
}

static void make_sleep(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

static int __rcu *shared;

static void make_rcu(void)
{
	(void)rcu_dereference(shared);
}

/* The compiler must not see where the memory is from. */
static char *memory(size_t size)
{
	char *bytes = kmalloc(size, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(bytes);
	return bytes;
}

static void make_free(void)
{
	char *bytes = memory(40);

	if (!bytes)
		return;
	kfree(bytes);
	OPTIMIZER_HIDE_VAR(bytes);
	WRITE_ONCE(bytes[3], 1);
}

static void make_bounds(void)
{
	char *bytes = memory(40);

	if (!bytes)
		return;
	WRITE_ONCE(bytes[40], 1);
	kfree(bytes);
}

static void make_leak(void)
{
	int i;

	/* A stale register or stack slot can hide one, not all. */
	for (i = 0; i < 20; i++)
		memory(200);
}

static void make_list(void)
{
	struct list_head head, entry;

	INIT_LIST_HEAD(&head);
	list_add(&entry, &head);
	list_add(&entry, &head);
}

static void nothing(struct work_struct *work)
{
}

/* Memory of work that is still pending is given back. */
static void make_work(void)
{
	struct delayed_work *work = kmalloc(sizeof(*work), GFP_KERNEL);

	if (!work)
		return;
	INIT_DELAYED_WORK(work, nothing);
	schedule_delayed_work(work, 1000 * HZ);
	kfree(work);
}

static const struct {
	const char *name;
	void (*make)(void);
} mistakes[] = {
	{ "order", make_order }, { "recursion", make_recursion },
	{ "sleep", make_sleep }, { "rcu", make_rcu },
	{ "free", make_free },	 { "bounds", make_bounds },
	{ "leak", make_leak },	 { "list", make_list },
	{ "work", make_work },
};

static int __init complain_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		if (!strcmp(mistake, mistakes[i].name)) {
			mistakes[i].make();
			return 0;
		}
	}
	return strcmp(mistake, "none") ? -EINVAL : 0;
}
module_init(complain_init);

static void __exit complain_exit(void)
{
}
module_exit(complain_exit);

MODULE_DESCRIPTION("mistakes that a kernel must complain about");
MODULE_LICENSE("GPL");
